"""All near duplicates of texts in memory, and the definition that they are compared with."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from ft_platform.records.near_duplicates import Texts, link_near_duplicates
from ft_platform.records.near_duplicates.links import Clusters


def in_batches(texts: Sequence[str], size: int = 8192) -> Texts:
    def batches() -> Iterator[pa.Array]:
        for start in range(0, len(texts), size):
            yield pa.array(texts[start : start + size], pa.string())

    return batches


def shingles(text: str) -> set[tuple[str, ...]]:
    """Word 3-grams by the definition, independent of the code under test (words without punctuation only)."""
    words = text.lower().split()
    return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))}


def jaccard(a: str, b: str) -> float:
    return len(shingles(a) & shingles(b)) / len(shingles(a) | shingles(b))


@dataclass
class AllPairs:
    """Pairs of indices `(i, j)` with i < j, sorted, with their similarity. Of texts with the same shingles all are
    paired with the first of them only, and only that one with others."""

    pairs: list[tuple[int, int]] = field(default_factory=list)
    similarity: list[float] = field(default_factory=list)
    cluster: list[int] = field(default_factory=list)
    capped: int = 0

    def wanted(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return np.ones(len(i), bool)

    def add(self, i: np.ndarray, j: np.ndarray, similarity: np.ndarray) -> None:
        self.pairs += zip(i.tolist(), j.tolist(), strict=True)
        self.similarity += similarity.tolist()


def find_near_duplicates(texts: Sequence[str], threshold: float) -> AllPairs:
    found, groups = AllPairs(), Clusters(len(texts))
    with tempfile.TemporaryDirectory() as folder:
        found.capped = link_near_duplicates(
            in_batches(texts), len(texts), threshold, Path(folder), "tests", lambda sets: [found, groups]
        )
    found.cluster = groups.smallest().tolist()
    return found
