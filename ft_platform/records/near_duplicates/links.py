"""What similar pairs are used for: which text is kept, and which belong together. Texts are numbered by rank."""

from typing import Protocol

import numpy as np

TEXTS_AT_ONCE = 1 << 20


class Links(Protocol):
    """Takes similar pairs, in ascending order of (i, j)."""

    def wanted(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """False for candidate pairs that would change nothing and need not be compared. Shape `(pairs,)`."""
        ...

    def add(self, i: np.ndarray, j: np.ndarray, similarity: np.ndarray) -> None:
        """Takes pairs with a similarity of at least the threshold, in [0, 1]; also such that are not `wanted`."""
        ...


class Originals:
    """The text that each one goes for: it is near an earlier one that stays.

    In a chain a ~ b ~ c, where a and c are not alike, b goes and c stays.

    Args:
        first: first text with the same set of each; copies share its fate. Shape `(texts,)`.

    Attributes:
        original: the text it goes for, or -1. Shape `(texts,)`, dtype int32.
    """

    def __init__(self, first: np.ndarray) -> None:
        self.original = np.full(len(first), -1, np.int32)
        self._first = first

    def wanted(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return (self.original[j] < 0) & ((self.original[i] < 0) | (self._first[j] == i))

    def add(self, i: np.ndarray, j: np.ndarray, similarity: np.ndarray) -> None:
        useful = self.wanted(i, j)
        original = self.original.data
        # In this order, all that decides on a text comes before it decides on others.
        for a, b, copy in zip(
            i[useful].tolist(), j[useful].tolist(), (self._first[j] == i)[useful].tolist(), strict=True
        ):
            if original[b] < 0:
                if original[a] < 0:
                    original[b] = a
                elif copy:
                    original[b] = original[a]


class Clusters:
    """Connected components, as a forest in which each text points to a smaller one of its component.

    Args:
        size: number of texts.
    """

    def __init__(self, size: int) -> None:
        self._parent = np.arange(size, dtype=np.int32)

    def wanted(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return self._root(i) != self._root(j)

    def add(self, i: np.ndarray, j: np.ndarray, similarity: np.ndarray) -> None:
        self.link(i, j)

    def link(self, i: np.ndarray, j: np.ndarray) -> None:
        """Joins the components of each pair."""
        while len(i):
            a, b = self._root(i), self._root(j)
            apart = a != b
            i, j, a, b = i[apart], j[apart], a[apart], b[apart]
            np.minimum.at(self._parent, np.maximum(a, b), np.minimum(a, b))

    def smallest(self) -> np.ndarray:
        """Smallest text of the component of each. Shape `(size,)`, dtype int32."""
        smallest = np.empty_like(self._parent)
        for start in range(0, len(smallest), TEXTS_AT_ONCE):
            smallest[start : start + TEXTS_AT_ONCE] = self._root(
                np.arange(start, min(start + TEXTS_AT_ONCE, len(smallest)))
            )
        return smallest

    def _root(self, texts: np.ndarray) -> np.ndarray:
        while True:
            parent = self._parent[texts]
            top = self._parent[parent]
            if np.array_equal(parent, top):
                return parent
            self._parent[texts] = top
