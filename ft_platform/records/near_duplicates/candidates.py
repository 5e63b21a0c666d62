"""Pairs of sets that may be similar enough, by prefix filtering: one pass over the sets, one over sorted files of rare
shingles.

Order the shingles of each set from rare to common. Two sets of Jaccard similarity >= t share at least `ceil(t * size)`
of them, so the first that they share is among the first `size - ceil(t * size) + 1` of both (Chaudhuri, Ganti, Kaushik,
ICDE 2006), and the second that they share among one more (Wang, Li, Feng, SIGMOD 2012). Sets are put into buckets by
each such shingle; the few buckets that are too full to compare all with all are divided by the second shingle.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ft_platform.process.progress import report
from ft_platform.records.near_duplicates.files import LOW, Partitions, packed, unpacked
from ft_platform.records.near_duplicates.leaders import Leaders
from ft_platform.records.near_duplicates.shingle_sets import EPSILON, SHINGLE_BITS, ShingleSets, may_be_similar
from ft_platform.records.near_duplicates.shingles import mix

MAX_BUCKET = 100
"""Sets that are compared all with all; in larger buckets a set costs as much as in one of this size."""
MAX_SECOND = 24
"""Shingles after the first that are tried as the second one: all of them in texts of up to 70 words at a threshold of
0.7."""
ENTRIES_AT_ONCE = 1 << 20
SETS_AT_ONCE = 1 << 20
FIRST_ROUNDS, LAST_ROUNDS = 8, 64
"""Leaders of an overfull bucket, before and after it is divided by a second shingle."""
RANKS_OF_A_FILE = 1 << 18
CLASS_BITS = 4
CLASS_SHIFT, SET_SHIFT = np.uint64(SHINGLE_BITS), np.uint64(SHINGLE_BITS + CLASS_BITS)
VALUE = np.uint64((1 << SHINGLE_BITS) - 1)
CLASSES = np.array([min(count.bit_length(), (1 << CLASS_BITS) - 1) for count in range(1 << 16)], np.uint64)
"""Order of magnitude of a count, by count. Class 1: the shingle is in one set only."""

Keys = Iterator[tuple[np.ndarray, np.ndarray]]
"""Keys of buckets (48 bits) and the ranks of the sets that belong into them."""


@dataclass(frozen=True)
class Prefixes:
    """The sets of a chunk, their shingles from rare to common, without those that no other set holds: these come
    first. Sets that share none of the shingles that can be the first one have none here. Shapes `(shingles,)`, but for
    `length` and `size`: `(sets,)`.

    Attributes:
        set: number of the set in the chunk.
        rank: its rank.
        shingle: hash of 48 bits.
        position: place of the shingle in its set, from 0.
        length: how many shingles of each set can be the first one that a similar set shares.
        size: how many there are.
    """

    set: np.ndarray
    rank: np.ndarray
    shingle: np.ndarray
    position: np.ndarray
    length: np.ndarray
    size: np.ndarray

    def first(self) -> np.ndarray:
        """Indices of the shingles that can be the first one that a similar set shares."""
        return np.flatnonzero(self.position < self.length[self.set])


class Candidates:
    """Candidate pairs of all sets.

    Args:
        folder: for intermediate files.

    Attributes:
        capped: buckets so full that not all of their pairs were looked at.
    """

    def __init__(self, sets: ShingleSets, threshold: float, folder: Path, stage: str) -> None:
        self.capped = 0
        self._sets = sets
        self._threshold = threshold
        self._folder = folder
        self._stage = stage
        self._leaders = Leaders(sets, threshold)
        self._pairs = Partitions(folder, "pairs", len(sets.rank) // RANKS_OF_A_FILE + 1)
        entries = sum(
            int(self._prefix_length(sets.sizes[start : start + SETS_AT_ONCE]).sum())
            for start in range(0, len(sets.sizes), SETS_AT_ONCE)
        )
        self._files = 1 << (entries // ENTRIES_AT_ONCE).bit_length()

    def find(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Ranks i < j of the pairs in blocks, ascending over all blocks."""
        copies = np.flatnonzero(self._sets.first != np.arange(len(self._sets.first), dtype=np.int32))
        self._add(self._sets.first[copies], copies)
        overfull = self._compare_by("first", _by_first, FIRST_ROUNDS)
        if len(overfull):
            self.capped = len(
                self._compare_by("second", lambda prefixes: self._by_second(prefixes, overfull), LAST_ROUNDS)
            )
        for pairs in self._pairs.sorted_parts():
            yield unpacked(pairs)

    def _compare_by(self, name: str, keys_of: Callable[[Prefixes], Keys], rounds: int) -> np.ndarray:
        """Puts the sets into buckets, adds the pairs in them, and returns which buckets are not done with.
        Ascending."""
        files = Partitions(self._folder, name, self._files)
        done = 0
        for prefixes in self._prefixes():
            for keys, ranks in keys_of(prefixes):
                files.add(packed(keys & LOW, ranks), self._file(keys))
            done += len(prefixes.size)
            report(self._stage, done, len(self._sets.rank), compared="near duplicates")
        return np.concatenate(
            [
                packed(np.array(file), self._compare(entries, rounds))
                for file, entries in enumerate(files.sorted_parts())
            ]
        )

    def _prefixes(self) -> Iterator[Prefixes]:
        """All sets in chunks; those that are a copy, or take no part, without shingles."""
        originals = self._sets.originals()
        for ranks, values in self._sets.chunks():
            size = self._sets.sizes[ranks].astype(np.int64)
            length = self._prefix_length(size)
            counts = self._sets.counts(values)
            shared = np.flatnonzero(counts > 1)
            number = np.repeat(np.arange(len(ranks)), size)[shared]
            alone = size - np.bincount(number, minlength=len(ranks))
            chosen = (originals[ranks] & (alone < length))[number]
            number, shared = number[chosen], shared[chosen]
            keys = (number.astype(np.uint64) << SET_SHIFT) | (CLASSES[counts[shared]] << CLASS_SHIFT) | values[shared]
            keys.sort()
            first = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=len(ranks)))])[number]
            position = alone[number] + np.arange(len(keys)) - first
            yield Prefixes(number, ranks[number], keys & VALUE, position, length, size)

    def _prefix_length(self, size: np.ndarray) -> np.ndarray:
        return size - np.ceil(self._threshold * size - EPSILON).astype(np.int64) + 1

    def _by_second(self, prefixes: Prefixes, overfull: np.ndarray) -> Keys:
        """Buckets of two shingles, the first of them from an overfull bucket."""
        first = prefixes.first()
        bucket = packed(self._file(prefixes.shingle[first]), prefixes.shingle[first] & LOW)
        first = first[overfull[np.minimum(np.searchsorted(overfull, bucket), len(overfull) - 1)] == bucket]
        end = np.minimum(prefixes.length + 1, prefixes.size)
        # Where one shared shingle is enough to be similar, there may be no second.
        alone = first[(prefixes.size == prefixes.length)[prefixes.set[first]]]
        yield _pair_key(prefixes.shingle[alone], prefixes.shingle[alone]), prefixes.rank[alone]
        for ahead in range(1, MAX_SECOND + 1):
            first = first[prefixes.position[first] + ahead < end[prefixes.set[first]]]
            yield _pair_key(prefixes.shingle[first], prefixes.shingle[first + ahead]), prefixes.rank[first]

    def _file(self, keys: np.ndarray) -> np.ndarray:
        """A bucket is found again by its file and the lower half of its key."""
        return (keys >> np.uint64(32)) & np.uint64(self._files - 1)

    def _compare(self, entries: np.ndarray, rounds: int) -> np.ndarray:
        """Adds the pairs of the buckets in one file. Returns the lower halves of the keys of those that are not done
        with."""
        keys, ranks = unpacked(entries)
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)])
        count = np.diff(np.append(starts, len(keys)))
        small = np.repeat((count > 1) & (count <= MAX_BUCKET), count)
        in_small = count[(count > 1) & (count <= MAX_BUCKET)]
        self._compare_all(ranks[small], np.repeat(np.cumsum(in_small), in_small) - np.arange(small.sum()) - 1)
        large = count > MAX_BUCKET
        if not large.any():
            return np.empty(0, np.int64)
        i, j, open_buckets = self._leaders.find(ranks[np.repeat(large, count)], count[large], rounds)
        self._add(i, j)
        return keys[starts[large][open_buckets]]

    def _compare_all(self, ranks: np.ndarray, following: np.ndarray) -> None:
        """Adds the pairs of sets, each with all that follow in its bucket.

        Args:
            following: how many these are.
        """
        sizes, bits = self._sets.sizes[ranks], self._sets.bits[ranks]
        left = np.flatnonzero(following > 0)
        ahead = 1
        while len(left):
            other = left + ahead
            possible = may_be_similar((sizes[left], bits[left]), (sizes[other], bits[other]), self._threshold)
            self._add(ranks[left[possible]], ranks[other[possible]])
            ahead += 1
            left = left[following[left] >= ahead]

    def _add(self, i: np.ndarray, j: np.ndarray) -> None:
        self._pairs.add(packed(i, j), i // RANKS_OF_A_FILE)


def _by_first(prefixes: Prefixes) -> Keys:
    first = prefixes.first()
    yield prefixes.shingle[first], prefixes.rank[first]


def _pair_key(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return mix(mix(first) + second) & VALUE
