"""Arrays of 64-bit numbers on the disk: appended once, then read part by part."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

BUFFERED = 1 << 21
"""Numbers that wait in memory before they are written (16 MB)."""
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def packed(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Two arrays of numbers below 2**32 as one of dtype uint64, which sorts by the first, then by the second."""
    return (high.astype(np.uint64) << HALF) | low.astype(np.uint64)


def unpacked(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `packed` was given, as int64."""
    return (values >> HALF).astype(np.int64), (values & LOW).astype(np.int64)


class Partitions:
    """Numbers divided over files, so that each file can be sorted in memory.

    Args:
        count: how many files, at most 65,536.
    """

    def __init__(self, folder: Path, name: str, count: int) -> None:
        self.count = count
        self._paths = [folder / f"{name}-{number}" for number in range(count)]
        self._values: list[np.ndarray] = []
        self._numbers: list[np.ndarray] = []
        self._waiting = 0

    def add(self, values: np.ndarray, numbers: np.ndarray) -> None:
        """Appends each of the `values` (uint64) to the file of its number in [0, count)."""
        self._values.append(values)
        self._numbers.append(numbers.astype(np.uint16))
        self._waiting += len(values)
        if self._waiting >= BUFFERED:
            self._flush()

    def sorted_parts(self) -> Iterator[np.ndarray]:
        """The distinct numbers of each file in turn, ascending. Each file is removed once it is read."""
        self._flush()
        for path in self._paths:
            if path.exists():
                values = np.fromfile(path, np.uint64)
                path.unlink()
                values.sort()
                yield values[np.concatenate([[True], values[1:] != values[:-1]])]
            else:
                yield np.empty(0, np.uint64)

    def _flush(self) -> None:
        if not self._waiting:
            return
        values, numbers = np.concatenate(self._values), np.concatenate(self._numbers)
        self._values, self._numbers, self._waiting = [], [], 0
        values = values[np.argsort(numbers, kind="stable")]
        start = 0
        for number, size in enumerate(np.bincount(numbers, minlength=self.count).tolist()):
            if size:
                with self._paths[number].open("ab") as file:
                    values[start : start + size].tofile(file)
                start += size
