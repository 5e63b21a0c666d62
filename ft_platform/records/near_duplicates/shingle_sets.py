"""The sets of shingles of all texts: on the disk, with what is asked of them often in arrays."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from ft_platform.process.progress import report
from ft_platform.records.near_duplicates.copies import more_than_once
from ft_platform.records.near_duplicates.shingles import in_slices, mix, shingles

SHINGLE_BITS = 48
"""Bits of the hash of a shingle. In two sets of 50, two different ones share a hash with a probability of 1e-11."""
ROWS_AT_ONCE = 4096
"""Of `chunks`; 12 bits, which `candidates` counts on."""
ELEMENTS_AT_ONCE = 1 << 20
"""Set elements that are compared at a time. 8 MB: they stay in cache."""
PAIRS_AT_ONCE = 1 << 16
"""16 bits, which `_in_both` counts on."""
MAX_COUNTER_BITS = 27
COUNTED = 57_000
"""Where counters stop. They are 16 bits wide, and a slice of 8,192 texts adds at most that many."""
EPSILON = 1e-9
"""0.7 * 10 is 7.000000000000001 in floating point, and its ceiling must be 7."""


class ShingleSets:
    """Sets of shingles, numbered by the rank of their text: of two texts, the one with the smaller number is the
    original.

    Disk: 8 bytes a shingle. Memory: 44 bytes a text and at most 256 MB of counters.

    Args:
        folder: for the file of shingles.
        rows: number of texts.
        order: rank of each text, a permutation of `range(rows)`. Shape `(rows,)`.

    Attributes:
        rank: rank of each row. Shape `(rows,)`, dtype int32, like all below, which are by rank.
        sizes: distinct shingles; 0 if the text takes no part.
        first: smallest rank with the same set.
        bits: parity of the shingles whose hash ends in each of 128 values. Shape `(rows, 2)`, dtype uint64.
    """

    def __init__(self, folder: Path, rows: int, order: np.ndarray) -> None:
        self.rank = order.astype(np.int32, copy=False)
        self.sizes = np.zeros(rows, np.int32)
        self.first = np.arange(rows, dtype=np.int32)
        self.bits = np.zeros((rows, 2), np.uint64)
        self._offsets = np.zeros(rows, np.int64)
        self._signatures = np.zeros(rows, np.uint64)
        self._counter_bits = min(max(16 * rows, 1024).bit_length(), MAX_COUNTER_BITS)
        self._counters = np.zeros(1 << self._counter_bits, np.uint16)
        self._path = folder / "shingles"
        self._file = -1

    def __enter__(self) -> "ShingleSets":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            os.close(self._file)

    def read(self, texts: Iterator[pa.Array], left_out: np.ndarray | None, stage: str) -> None:
        """Takes in all texts.

        Args:
            left_out: rows that take no part. Shape `(rows,)`, dtype bool.

        Raises:
            ValueError: there are more or fewer texts than rows.
        """
        row = place = 0
        with self._path.open("wb") as file:
            for texts_of_batch in texts:
                for part in in_slices(texts_of_batch):
                    if row + len(part) > len(self.rank):
                        raise ValueError(f"more texts than the {len(self.rank)} rows that were announced")
                    out = left_out[row : row + len(part)] if left_out is not None else None
                    values = self._add(part, self.rank[row : row + len(part)], place, out)
                    values.tofile(file)
                    row, place = row + len(part), place + len(values)
                report(stage, row, len(self.rank))
        if row != len(self.rank):
            raise ValueError(f"{row} texts instead of the {len(self.rank)} rows that were announced")
        self._file = os.open(self._path, os.O_RDONLY)
        self._find_copies()

    def _add(self, texts: pa.Array, ranks: np.ndarray, place: int, left_out: np.ndarray | None) -> np.ndarray:
        """Notes all about a slice of texts and returns its sets, one after the other."""
        row, hashes = shingles(texts)
        if left_out is not None:
            row, hashes = row[~left_out[row]], hashes[~left_out[row]]
        keys = (row.astype(np.uint64) << np.uint64(SHINGLE_BITS)) | (hashes >> np.uint64(64 - SHINGLE_BITS))
        keys.sort()
        keys = keys[_is_new(keys)]
        values = keys & np.uint64((1 << SHINGLE_BITS) - 1)
        sizes = np.bincount((keys >> np.uint64(SHINGLE_BITS)).astype(np.int64), minlength=len(texts))
        self.sizes[ranks] = sizes
        self._offsets[ranks] = place + np.cumsum(sizes) - sizes
        filled = ranks[sizes > 0]
        starts = (np.cumsum(sizes) - sizes)[sizes > 0]
        if len(values):
            self._signatures[filled] = mix(np.add.reduceat(mix(values), starts) + sizes[sizes > 0].astype(np.uint64))
            bit = np.uint64(1) << (values & np.uint64(63))
            upper = (values & np.uint64(64)) != 0
            self.bits[filled, 0] = np.bitwise_xor.reduceat(bit * ~upper, starts)
            self.bits[filled, 1] = np.bitwise_xor.reduceat(bit * upper, starts)
            self._count(values)
        return values

    def _count(self, values: np.ndarray) -> None:
        """Adds to the counters of some shingles."""
        cells = self._cells(values)
        np.add.at(self._counters, cells, np.uint16(1))
        self._counters[cells[self._counters[cells] > COUNTED]] = COUNTED

    def _find_copies(self) -> None:
        """Fills `first`. Sets of equal 64-bit signatures count as copies, and are compared like all candidates."""
        # Only the few whose upper halves repeat are sorted by all of their bits: this is where the process holds most.
        ranks = np.flatnonzero(more_than_once((self._signatures >> np.uint64(32)).astype(np.uint32)))
        signatures = self._signatures[ranks]
        self._signatures = np.empty(0, np.uint64)
        order = np.argsort(signatures, kind="stable")
        ranks, signatures = ranks[order], signatures[order]
        new = np.ones(len(ranks), bool)
        np.not_equal(signatures[1:], signatures[:-1], out=new[1:])
        self.first[ranks] = ranks[new][np.cumsum(new) - 1]
        empty = np.flatnonzero(self.sizes == 0)
        self.first[empty] = empty

    def _cells(self, values: np.ndarray) -> np.ndarray:
        return (values >> np.uint64(SHINGLE_BITS - self._counter_bits)).astype(np.int64)

    def counts(self, values: np.ndarray) -> np.ndarray:
        """At least the number of sets that hold each shingle, up to `COUNTED`; shingles that share a counter are added
        up."""
        return self._counters[self._cells(values)]

    def originals(self) -> np.ndarray:
        """Whether each set takes part and is the first of its kind. Shape `(rows,)`."""
        return (self.first == np.arange(len(self.first), dtype=np.int32)) & (self.sizes > 0)

    def chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Ranks, and their shingles one after the other (uint64), of all sets in the order of the file."""
        start = 0
        with self._path.open("rb") as file:
            while start < len(self.rank):
                ranks = self.rank[start : start + ROWS_AT_ONCE]
                ends = np.cumsum(self.sizes[ranks])
                ranks = ranks[: max(1, int(np.searchsorted(ends, ELEMENTS_AT_ONCE, side="right")))]
                yield ranks, np.fromfile(file, np.uint64, int(ends[len(ranks) - 1]))
                start += len(ranks)

    def similarity(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Jaccard similarity of the sets of each pair of ranks, in [0, 1]. Shape `(pairs,)`."""
        similarity = np.empty(len(i))
        work = np.cumsum(self.sizes[i].astype(np.int64) + self.sizes[j])
        start = 0
        while start < len(i):
            done = work[start - 1] if start else 0
            stop = min(
                max(start + 1, int(np.searchsorted(work, done + ELEMENTS_AT_ONCE, side="right"))), start + PAIRS_AT_ONCE
            )
            part = slice(start, stop)
            both = self._in_both(i[part], j[part])
            similarity[part] = both / (self.sizes[i[part]] + self.sizes[j[part]] - both)
            start = stop
        return similarity

    def _in_both(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Number of shingles that both sets of a pair hold."""
        ranks, places = np.unique(np.concatenate([i, j]), return_inverse=True)
        sizes, values = self.sizes[ranks], self._values(ranks)
        starts = np.cumsum(sizes) - sizes
        pair = np.repeat(np.tile(np.arange(len(i)), 2), sizes[places])
        keys = (pair.astype(np.uint64) << np.uint64(SHINGLE_BITS)) | values[ranges(starts[places], sizes[places])]
        keys.sort()
        twice = keys[1:][keys[1:] == keys[:-1]]
        return np.bincount((twice >> np.uint64(SHINGLE_BITS)).astype(np.int64), minlength=len(i))

    def _values(self, ranks: np.ndarray) -> np.ndarray:
        """Their shingles, one set after the other. Not by a memory map: the pages of the file would count as memory of
        the process."""
        places = zip((8 * self._offsets[ranks]).tolist(), (8 * self.sizes[ranks]).tolist(), strict=True)
        return np.frombuffer(b"".join([os.pread(self._file, size, place) for place, size in places]), np.uint64)


def _is_new(ordered: np.ndarray) -> np.ndarray:
    """Whether each of some sorted numbers differs from the one before it. Shape `(n,)`."""
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return new


def may_be_similar(i: tuple[np.ndarray, np.ndarray], j: tuple[np.ndarray, np.ndarray], threshold: float) -> np.ndarray:
    """False where sizes or parity bits show that a pair is below the threshold. Shape `(pairs,)`.

    Each shingle that is in one set only changes one bit, so at least as many shingles differ as bits do
    (bitmap filter: Sandes, Teodoro, Melo, Information Systems 88, 2020).

    Args:
        i, j: `sizes` and `bits` of the first and of the second set of each pair.
    """
    (size_i, bits_i), (size_j, bits_j) = i, j
    differing = np.bitwise_count(bits_i ^ bits_j).sum(axis=1, dtype=np.int32)
    total = size_i + size_j
    alike = np.minimum(size_i, size_j) >= threshold * np.maximum(size_i, size_j) - EPSILON
    return alike & ((total - differing) * (1 + threshold) >= 2 * threshold * total - EPSILON)


def ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """`starts[0], starts[0] + 1, ...` (`sizes[0]` numbers), then those of the next start, and so on."""
    ends = np.cumsum(sizes)
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(ends[-1] if len(ends) else 0)
