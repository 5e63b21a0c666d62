"""Pairs of texts that say almost the same, found exactly: Jaccard similarity of their sets of word 3-grams.

The candidates come from prefix filtering (Chaudhuri, Ganti, Kaushik, ICDE 2006; PPJoin, WWW 2008): order the shingles of each
text from rare to common; two sets of Jaccard similarity >= t must share one of their first `size - ceil(t * size) + 1`. Each
candidate is then verified on the full sets, so recall is 1 and nothing below the threshold is linked. MinHash, the usual
choice, only reaches a recall set by its bands, and compares template letters that differ in a few rare words with each other.

Covered: copies, edits, template letters; scripts without spaces (a character counts as a word there).
Not covered: paraphrases, translations. A shingle that stands in more than `MAX_BUCKET` texts as one of their rarest is not
compared all against all but against up to `MAX_LEADERS` leaders, which keeps the cost linear; `capped` counts such sets of texts.
"""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.progress import report

WORDS_PER_SHINGLE = 3
CHUNK = 20_000
"""Texts that are tokenized at once."""
MAX_BUCKET = 200
MAX_LEADERS = 64
MAX_WORK = 4_000_000
"""Set elements in memory at once while pairs are made and verified (about 100 MB)."""
NOT_IN_A_WORD = r"[^\pL\pM\pN_]+"
WITHOUT_SPACES = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"


@dataclass(frozen=True)
class NearDuplicates:
    """Verified pairs and the clusters they form.

    Attributes:
        pairs: indices `(i, j)` with i < j, sorted. Shape `(pairs, 2)`. Texts with the same set of shingles are all paired with
            the first of them only, and only that one with others: a set of k copies gives k - 1 pairs.
        similarity: Jaccard similarity in [threshold, 1]. Shape `(pairs,)`.
        cluster: smallest index of the texts linked to each text, directly or through others. Shape `(texts,)`.
        capped: sets of texts so large that they were compared with leaders only.
    """

    pairs: np.ndarray
    similarity: np.ndarray
    cluster: np.ndarray
    capped: int


def normalized_text(text: str) -> str:
    """The text without differences of case and white space: what "the same text" means for duplicates and leakage."""
    return " ".join(text.casefold().split())


def find_near_duplicates(texts: Sequence[str], threshold: float, *, stage: str = "near_duplicates") -> NearDuplicates:
    """All pairs of texts with a Jaccard similarity of at least `threshold`; see `NearDuplicates` for copies.

    Args:
        texts: any order; the pairs do not depend on it unless `capped` is above 0.
        threshold: in (0, 1].
        stage: name that progress is reported under.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be in (0, 1], got {threshold}")
    if len(texts) < 2:
        return NearDuplicates(np.empty((0, 2), np.int64), np.empty(0), np.arange(len(texts)), 0)
    sets, signature = _shingle_sets(texts, stage)
    _, first, group = np.unique(signature, return_index=True, return_inverse=True)
    copies = np.flatnonzero(first[group] != np.arange(len(texts)))
    found = [_verified(sets, np.column_stack([first[group][copies], copies]), threshold)]
    prefixes, heavy = _prefixes(sets, np.sort(first), threshold)
    for done, candidates in _candidates(prefixes, np.diff(sets.indptr), threshold):
        found.append(_verified(sets, candidates, threshold))
        report(stage, done, len(texts), compared="near duplicates")
    found += [_near_leaders(sets, bucket, threshold) for bucket in heavy]
    pairs = np.concatenate([pairs for pairs, _ in found])
    similarity = np.concatenate([similarity for _, similarity in found])
    _, once = np.unique(pairs[:, 0] * len(texts) + pairs[:, 1], return_index=True)
    return NearDuplicates(pairs[once], similarity[once], clusters(len(texts), pairs[once]), len(heavy))


def clusters(size: int, pairs: np.ndarray) -> np.ndarray:
    """Connected components: for each of `size` items the smallest index it is linked to. `pairs` has shape `(pairs, 2)`."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    _, first = np.unique(label, return_index=True)
    return first[label]


def _shingle_sets(texts: Sequence[str], stage: str) -> tuple[Any, np.ndarray]:
    """Sparse 0/1 matrix of shape `(texts, shingles)`, columns from rare to common, and a 64-bit signature of each row."""
    from scipy.sparse import csr_array

    known: dict[str, int] = {}
    rows, hashes = [], []
    for start in range(0, len(texts), CHUNK):
        row, shingle = _shingles(pa.array(texts[start : start + CHUNK], pa.string()), known)
        rows.append(row + start)
        hashes.append(shingle)
        report(stage, min(start + CHUNK, len(texts)), len(texts))
    row = np.concatenate(rows)
    unique, column, count = np.unique(np.concatenate(hashes), return_inverse=True, return_counts=True)
    by_count = np.argsort(count, kind="stable")
    rank = np.empty_like(by_count)
    rank[by_count] = np.arange(len(by_count))
    key = np.unique(row * len(unique) + rank[column])
    row, column = np.divmod(key, len(unique))
    sizes = np.bincount(row, minlength=len(texts))
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    sets = csr_array((np.ones(len(column), np.int32), column, indptr), shape=(len(texts), len(unique)))
    signature = np.add.reduceat(_mix(unique[by_count][column]), indptr[:-1])
    return sets, _mix(signature + sizes.astype(np.uint64))


def _shingles(texts: pa.Array, known: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Row and 64-bit hash of every word 3-gram; a text of fewer words is one shingle. Equal on every machine and run."""
    lower = pc.utf8_lower(texts)
    if not pc.all(pc.string_is_ascii(lower)).as_py():
        lower = pc.replace_substring_regex(lower, WITHOUT_SPACES, r"\1 ")
    words = pc.utf8_trim_whitespace(pc.replace_substring_regex(lower, NOT_IN_A_WORD, " "))
    marks_only = pc.replace_substring_regex(lower, r"\s+", "")
    lists = pc.split_pattern(pc.if_else(pc.equal(words, ""), marks_only, words), " ")
    tokens = lists.flatten().dictionary_encode()
    for word in tokens.dictionary.to_pylist():
        if word not in known:
            known[word] = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
    value = np.array([known[w] for w in tokens.dictionary.to_pylist()], dtype=np.uint64)[tokens.indices.to_numpy()]
    length = pc.list_value_length(lists).to_numpy().astype(np.int64)
    end = np.cumsum(length)
    row = np.repeat(np.arange(len(texts)), length)
    position = np.arange(len(value))
    mixed = _mix(value)
    for ahead in range(1, WORDS_PER_SHINGLE):
        following = np.concatenate([value[ahead:], np.zeros(ahead, np.uint64)])[: len(value)]
        mixed = _mix(mixed + np.where(position + ahead < end[row], following, np.uint64(0)))
    starts = position < np.maximum(end - length + 1, end - WORDS_PER_SHINGLE + 1)[row]
    return row[starts], mixed[starts]


def _mix(x: np.ndarray) -> np.ndarray:
    """Finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). Shape and dtype (uint64) stay."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _prefixes(sets: Any, representatives: np.ndarray, threshold: float) -> tuple[Any, list[np.ndarray]]:
    """The rarest shingles of each text that can decide, without those in one text only; and the texts of overfull buckets."""
    from scipy.sparse import csr_array

    sizes = np.diff(sets.indptr)
    row = np.repeat(np.arange(len(sizes)), sizes)
    position = np.arange(len(row)) - sets.indptr[row]
    # 1e-9: 0.7 * 10 is 7.000000000000001 in floating point, and its ceiling must be 7.
    length = sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1
    original = np.zeros(len(sizes), bool)
    original[representatives] = True
    chosen = original[row] & (position < length[row])
    row, column = row[chosen], sets.indices[chosen]
    filled = np.bincount(column, minlength=sets.shape[1])
    useful = (filled[column] > 1) & (filled[column] <= MAX_BUCKET)
    prefixes = csr_array((np.ones(useful.sum(), np.int32), (row[useful], column[useful])), shape=sets.shape)
    overfull = filled[column] > MAX_BUCKET
    row, column = row[overfull], column[overfull]
    by_column = np.argsort(column, kind="stable")
    buckets = np.split(row[by_column], np.flatnonzero(np.diff(column[by_column])) + 1) if len(row) else []
    # Neighbouring shingles of one template stand in the same texts: compare these once.
    return prefixes, list({bucket.tobytes(): bucket for bucket in buckets}.values())


def _candidates(prefixes: Any, sizes: np.ndarray, threshold: float) -> Iterator[tuple[int, np.ndarray]]:
    """Pairs (i < j) that share a shingle of their prefixes and are not too different in size, in blocks."""
    across = prefixes.T.tocsr()
    work = np.concatenate([[0], np.cumsum(prefixes @ np.diff(across.indptr))])
    start = 0
    while start < prefixes.shape[0]:
        stop = max(start + 1, int(np.searchsorted(work, work[start] + MAX_WORK, side="right")) - 1)
        shared = (prefixes[start:stop] @ across).tocoo()
        i, j = shared.coords[0] + start, shared.coords[1]
        possible = (i < j) & (np.minimum(sizes[i], sizes[j]) >= threshold * np.maximum(sizes[i], sizes[j]) - 1e-9)
        yield stop, np.column_stack([i[possible], j[possible]]).astype(np.int64)
        start = stop


def _verified(sets: Any, pairs: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Those of the pairs whose sets are similar enough, with their similarity."""
    sizes = np.diff(sets.indptr).astype(np.int64)
    block = np.cumsum(sizes[pairs].sum(axis=1)) // MAX_WORK
    similarity = np.empty(len(pairs))
    for _, start, size in zip(*np.unique(block, return_index=True, return_counts=True), strict=True):
        i, j = pairs[start : start + size].T
        both = np.asarray(sets[i].multiply(sets[j]).sum(axis=1)).ravel()
        similarity[start : start + size] = both / (sizes[i] + sizes[j] - both)
    similar = similarity >= threshold - 1e-9
    return pairs[similar], similarity[similar]


def _near_leaders(sets: Any, bucket: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of the texts in an overfull bucket with its leaders: each the first text that is near no leader before it."""
    block, sizes = sets[bucket], np.diff(sets.indptr)[bucket]
    free = np.ones(len(bucket), bool)
    pairs, similarities = [], []
    for _ in range(MAX_LEADERS):
        if not free.any():
            break
        leader = int(np.argmax(free))
        both = (block @ sets[[bucket[leader]]].T).toarray().ravel()
        similarity = both / (sizes + sizes[leader] - both)
        near = similarity >= threshold - 1e-9
        free &= ~near
        near[leader] = False
        pairs.append(np.column_stack([np.minimum(bucket[near], bucket[leader]), np.maximum(bucket[near], bucket[leader])]))
        similarities.append(similarity[near])
    return np.concatenate(pairs), np.concatenate(similarities)
