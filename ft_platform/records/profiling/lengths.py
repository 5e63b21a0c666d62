"""The distribution of a length in bounded memory: a histogram whose bins grow with the length."""

from dataclasses import dataclass, field

import numpy as np

BINS_PER_DOUBLING = 8
"""Bins are 9 % wide, so that a quantile is off by less than 9 %; lengths below 16 have a bin each and are exact."""

EXACT_BELOW = 16
LARGEST = 40
EDGES = np.unique(
    np.concatenate(
        [
            np.arange(EXACT_BELOW),
            np.ceil(2.0 ** (4 + np.arange((LARGEST - 4) * BINS_PER_DOUBLING + 1) / BINS_PER_DOUBLING)).astype(np.int64),
        ],
    )
)
"""Lower bounds of the bins: 0, 1, ..., 16, 18, 20, 21, 23, ..., 2^40."""


@dataclass
class Lengths:
    """How long something is, over all rows.

    Attributes:
        rows: how many lengths.
        total: their sum.
        smallest, largest: exact bounds; 0 without rows.
        histogram: lower bound of a bin -> rows in it.
    """

    rows: int = 0
    total: int = 0
    smallest: int = 0
    largest: int = 0
    histogram: dict[int, int] = field(default_factory=dict)

    def add(self, values: np.ndarray) -> None:
        """Counts more lengths. Shape `(n,)`, whole numbers from 0."""
        if not len(values):
            return
        self.smallest = min(int(values.min()), self.smallest) if self.rows else int(values.min())
        self.largest = max(int(values.max()), self.largest)
        self.rows += len(values)
        self.total += int(values.sum())
        bins = np.bincount(np.searchsorted(EDGES, values, side="right") - 1)
        for place in np.flatnonzero(bins):
            edge = int(EDGES[place])
            self.histogram[edge] = self.histogram.get(edge, 0) + int(bins[place])

    @property
    def mean(self) -> float:
        return self.total / self.rows if self.rows else 0.0

    def quantile(self, share: float) -> int:
        """The length that this share of the rows does not exceed, within the width of a bin.

        Args:
            share: in [0, 1].
        """
        wanted, seen = share * self.rows, 0
        for edge in sorted(self.histogram):
            before, seen = seen, seen + self.histogram[edge]
            if seen >= wanted:
                width = bin_end(edge) - 1 - edge
                inside = max(wanted - before, 0.0) / self.histogram[edge]
                return int(np.clip(round(edge + width * inside), self.smallest, self.largest))
        return self.largest


def bin_end(edge: int) -> int:
    """Lower bound of the next bin."""
    place = int(np.searchsorted(EDGES, edge, side="right"))
    return int(EDGES[place]) if place < len(EDGES) else 2 * edge
