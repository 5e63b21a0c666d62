"""Overfull buckets: each set is compared with a few leaders of its bucket instead of with all others."""

import numpy as np

from ft_platform.records.near_duplicates.shingle_sets import EPSILON, ShingleSets, may_be_similar

SETS_AT_ONCE = 1 << 18


class Leaders:
    """Compares sets with leaders: in each round, a bucket's leader is its first set that is near no leader before it.

    That costs rounds x sets, however full a bucket is, and leaves nothing out where the sets of a bucket are much the
    same: template letters, of which the first is the one that is kept.
    """

    def __init__(self, sets: ShingleSets, threshold: float) -> None:
        self._sets = sets
        self._threshold = threshold
        self._leader = np.full(len(sets.rank), -1, np.int32)
        """Of each set, the last leader it was found near: neighbouring shingles of a template stand in the same
        sets."""

    def find(self, ranks: np.ndarray, count: np.ndarray, rounds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pairs of similar sets, and which buckets hold sets that are near no leader.

        Args:
            ranks: sets of all buckets, one bucket after the other, ascending within each.
            count: how many are in each bucket. Shape `(buckets,)`.
            rounds: leaders of each bucket, at most.

        Returns:
            ranks i < j, of shape `(pairs,)`, and for each bucket whether not all of its pairs were looked at.
        """
        bucket = np.repeat(np.arange(len(count), dtype=np.int32), count)
        starts = np.cumsum(count) - count
        free = np.ones(len(ranks), bool)
        pairs = [np.empty((2, 0), np.int64)]
        for _ in range(rounds):
            leader = np.minimum.reduceat(np.where(free, np.arange(len(ranks)), len(ranks)), starts)
            if not (leader < len(ranks)).any():
                break
            for start in range(0, len(ranks), SETS_AT_ONCE):
                part = np.arange(start, min(start + SETS_AT_ONCE, len(ranks)))
                part = part[(leader[bucket[part]] < len(ranks)) & (leader[bucket[part]] != part)]
                near, new = self._near(ranks[leader[bucket[part]]], ranks[part])
                free[part[near]] = False
                ends = np.stack([ranks[leader[bucket[part[new]]]], ranks[part[new]]])
                pairs.append(np.sort(ends, axis=0))
            free[leader[leader < len(ranks)]] = False
        i, j = np.concatenate(pairs, axis=1)
        return i, j, np.logical_or.reduceat(free, starts)

    def _near(self, leader: np.ndarray, rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether each set is near its leader, and whether that was not known before."""
        known = self._leader[rank] == leader
        sizes, bits = self._sets.sizes, self._sets.bits
        possible = np.flatnonzero(
            ~known & may_be_similar((sizes[leader], bits[leader]), (sizes[rank], bits[rank]), self._threshold)
        )
        new = np.zeros(len(rank), bool)
        new[possible] = self._sets.similarity(leader[possible], rank[possible]) >= self._threshold - EPSILON
        self._leader[rank[new]] = leader[new]
        return known | new, new
