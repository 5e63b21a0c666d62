"""Sets of keys that are too many to hold as texts: 128-bit hashes in numpy arrays, 16 bytes a key."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

DIGEST_BYTES = 16
"""128 bits: among 100 million keys two share a hash with a probability of 1.5e-23 (birthday bound)."""


@dataclass(frozen=True)
class KeyHashes:
    """Hashes of keys, in the order of the keys.

    Attributes:
        high, low: halves of each hash, dtype uint64, shape `(n,)`. The hash of a missing key is that of no text.
    """

    high: np.ndarray
    low: np.ndarray

    def __len__(self) -> int:
        return len(self.high)

    def __getitem__(self, rows: np.ndarray) -> "KeyHashes":
        return KeyHashes(self.high[rows], self.low[rows])


def key_hashes(keys: pa.Array) -> KeyHashes:
    """BLAKE2b of each key of a string column; 2.2 million keys a second and core."""
    digests = b"".join(
        [hashlib.blake2b((key or "").encode(), digest_size=DIGEST_BYTES).digest() for key in keys.to_pylist()]
    )
    halves = np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2)
    return KeyHashes(halves[:, 0], halves[:, 1])


def collected(columns: Iterable[pa.Array], rows: int) -> KeyHashes:
    """The hashes of the keys of all columns, one after the other, in arrays of just that size: 16 bytes a row.

    Raises:
        ValueError: there are more or fewer than `rows` of them.
    """
    high, low = np.empty(rows, np.uint64), np.empty(rows, np.uint64)
    start = 0
    for column in columns:
        stop = start + len(column)
        if stop <= rows:
            hashes = key_hashes(column)
            high[start:stop], low[start:stop] = hashes.high, hashes.low
        start = stop
    if start != rows:
        raise ValueError(f"{start} keys instead of the {rows} rows that were announced")
    return KeyHashes(high, low)


def joined(parts: Sequence[KeyHashes]) -> KeyHashes:
    empty = np.empty(0, np.uint64)
    return KeyHashes(
        np.concatenate([empty, *(p.high for p in parts)]), np.concatenate([empty, *(p.low for p in parts)])
    )


class KeyIndex:
    """Finds keys among known ones.

    Args:
        known: hashes of the known keys; they may repeat.

    Attributes:
        order: position in `known` of each key of the index, shape `(n,)`: what `find` returns points into arrays that
            were brought into this order.
        repeated: how many keys are there more than once.
    """

    def __init__(self, known: KeyHashes) -> None:
        self.order = np.lexsort((known.low, known.high))
        self._sorted = known[self.order]
        high, low = self._sorted.high, self._sorted.low
        same = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
        self.repeated = int(np.count_nonzero(same & ~np.concatenate([[False], same[:-1]]))) if len(same) else 0

    def __len__(self) -> int:
        return len(self._sorted)

    def find(self, wanted: KeyHashes) -> np.ndarray:
        """Index of each wanted key, or -1. Shape `(n,)`, dtype int64."""
        found = np.full(len(wanted), -1, np.int64)
        if not len(self):
            return found
        places = np.searchsorted(self._sorted.high, wanted.high)
        open_rows = np.arange(len(wanted))
        while len(open_rows):  # a second round only for keys that share half of their hash
            open_rows = open_rows[places[open_rows] < len(self)]
            open_rows = open_rows[self._sorted.high[places[open_rows]] == wanted.high[open_rows]]
            equal = self._sorted.low[places[open_rows]] == wanted.low[open_rows]
            found[open_rows[equal]] = places[open_rows[equal]]
            open_rows = open_rows[~equal]
            places[open_rows] += 1
        return found
