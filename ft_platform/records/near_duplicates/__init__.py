"""Texts that say almost the same, found exactly: Jaccard similarity of their sets of word 3-grams, at any number of
texts.

Candidates come from prefix filtering and are verified on the full sets, so recall is 1 and nothing below the threshold
is linked. MinHash, the usual choice, reaches only the recall that its bands allow, at a higher cost:
`benchmarks/dedup.py`. The texts are read once, batch by batch; what stays in memory is about 100 bytes a text, and on
the disk 8 bytes a word.

Covered: copies, edits, template letters; scripts without spaces (a character counts as a word there).
Not covered: paraphrases (see `splitting.paraphrases`), translations.
Where a pair of shingles is among the rarest of more than `MAX_BUCKET` texts, these are
compared with up to 64 leaders instead of all with all, which keeps the cost linear; `capped` counts where that was not
enough."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.process.memory import give_back
from ft_platform.records.near_duplicates.candidates import Candidates
from ft_platform.records.near_duplicates.links import Clusters, Links, Originals
from ft_platform.records.near_duplicates.shingle_sets import EPSILON, ShingleSets

Texts = Callable[[], Iterator[pa.Array]]
"""Gives all texts, as string arrays of any lengths, each time it is called."""
PAIRS_AT_ONCE = 1 << 14
"""Candidates that are compared before the next ones are chosen: what these decide makes others needless."""


@dataclass(frozen=True)
class NearDuplicateRows:
    """What each row has to do with others. Shapes `(rows,)`, dtype int32.

    Attributes:
        original: row that a row goes for, because it is near that one and that one stays; -1: it stays itself.
        cluster: row of smallest rank among those linked to a row, directly or through others.
        capped: buckets of texts so full that not all of their pairs were looked at.
    """

    original: np.ndarray
    cluster: np.ndarray
    capped: int


def normalized_text(text: str) -> str:
    """The text without differences of case and white space: what "the same text" means for duplicates and leakage."""
    return " ".join(text.casefold().split())


def find_near_duplicates_stream(
    texts: Texts,
    rows: int,
    threshold: float,
    folder: Path,
    stage: str,
    *,
    order: np.ndarray | None = None,
    left_out: np.ndarray | None = None,
) -> NearDuplicateRows:
    """Which rows are near duplicates of which, without holding the texts.

    Args:
        rows: how many texts there are.
        threshold: Jaccard similarity in (0, 1].
        folder: private folder; intermediate files (8 to 20 bytes a word) are removed at the end.
        stage: name that progress is reported under.
        order: rank of each row, a permutation of `range(rows)` such as `rank_of` gives: of several near duplicates the
            one of smallest rank stays. Default: the order of the rows.
        left_out: rows that take no part. Shape `(rows,)`, dtype bool.

    Raises:
        ValueError: the threshold is outside its range, `order` is no permutation, or `rows` is not the number of texts.
    """
    groups = Clusters(rows)
    originals: list[Originals] = []

    def links(sets: ShingleSets) -> list[Links]:
        originals.append(Originals(sets.first))
        return [*originals, groups]

    capped = link_near_duplicates(texts, rows, threshold, folder, stage, links, order=order, left_out=left_out)
    return NearDuplicateRows(by_row(originals[0].original, order), by_row(groups.smallest(), order), capped)


def link_near_duplicates(
    texts: Texts,
    rows: int,
    threshold: float,
    folder: Path,
    stage: str,
    links: Callable[[ShingleSets], Sequence[Links]],
    *,
    order: np.ndarray | None = None,
    left_out: np.ndarray | None = None,
) -> int:
    """Gives all near duplicates, as pairs of ranks, to `links`; returns `NearDuplicateRows.capped`.

    Args:
        links: what takes them, made once the sets are known.
        texts, rows, threshold, folder, stage, order, left_out: see `find_near_duplicates_stream`.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be in (0, 1], got {threshold}")
    order = np.arange(rows, dtype=np.int32) if order is None else order
    if order.shape != (rows,) or not _is_permutation(order):
        raise ValueError(f"order must be a permutation of {rows} ranks")
    give_back()
    with (
        tempfile.TemporaryDirectory(prefix="near-duplicates-", dir=folder) as name,
        ShingleSets(Path(name), rows, order) as sets,
    ):
        sets.read(texts(), left_out, stage)
        candidates = Candidates(sets, threshold, Path(name), stage)
        takers = links(sets)
        for i, j in candidates.find():
            for start in range(0, len(i), PAIRS_AT_ONCE):
                _compare(sets, i[start : start + PAIRS_AT_ONCE], j[start : start + PAIRS_AT_ONCE], threshold, takers)
        return candidates.capped


def _is_permutation(order: np.ndarray) -> bool:
    seen = np.zeros(len(order), bool)
    if order.size and (order.min() < 0 or order.max() >= len(order)):
        return False
    seen[order] = True
    return bool(seen.all())


def _compare(sets: ShingleSets, i: np.ndarray, j: np.ndarray, threshold: float, takers: Sequence[Links]) -> None:
    wanted = np.logical_or.reduce([taker.wanted(i, j) for taker in takers])
    i, j = i[wanted], j[wanted]
    similarity = sets.similarity(i, j)
    near = similarity >= threshold - EPSILON
    for taker in takers:
        taker.add(i[near], j[near], similarity[near])


def clusters(size: int, pairs: np.ndarray) -> np.ndarray:
    """Connected components: for each of `size` items the smallest index it is linked to. `pairs` has shape `(pairs,
    2)`."""
    made = Clusters(size)
    made.link(*np.asarray(pairs, dtype=np.int64).reshape(-1, 2).T)
    return made.smallest().astype(np.int64)


def rank_of(ids: Iterator[pa.Array]) -> np.ndarray:
    """Place of each id among all when they are sorted by their bytes, equal ones in their order. Shape `(ids,)`, dtype
    int32."""
    chunks = pa.chunked_array(list(ids), pa.string())
    places = pc.sort_indices(chunks)
    rank = np.empty(len(places), np.int32)
    rank[places.to_numpy()] = np.arange(len(places), dtype=np.int32)
    return rank


def by_row(ranks: np.ndarray, order: np.ndarray | None) -> np.ndarray:
    """Ranks by rank, -1 for none, as rows by row. Shape and dtype stay."""
    if order is None:
        return ranks
    row = np.empty(len(order), ranks.dtype)
    row[order] = np.arange(len(order), dtype=ranks.dtype)
    ranked = ranks[order]
    return np.where(ranked < 0, ranked, row[ranked])
