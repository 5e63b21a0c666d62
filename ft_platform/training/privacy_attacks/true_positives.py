"""The true positive rate of an attack at a low false positive rate, with an exact interval: how many training records
it finds while it takes no more than so many others for training records (Carlini et al., arXiv:2112.03570).

The threshold comes from the other records alone. Of `n` of them, the share of all such records beyond the `k`-th
highest score has the distribution Beta(k, n - k + 1) (David and Nagaraja, Order Statistics, 2003), so a
rank says for sure enough that a threshold is low enough, or high enough. The share of training records beyond it then
has the interval of Clopper and Pearson (1934, Biometrika 26). Each end of the interval is wrong with at most
`(1 - confidence) / 2`, which rank and share divide between them.

Covered: ties (the upper end counts the records at the threshold, the lower end does not), and few records (the lower
end is 0 where no threshold is sure to be high enough). Not covered: records that depend on each other, such as several
of one person; they make the interval too narrow."""

import functools
import math

import numpy as np

LOW, VERY_LOW = 0.01, 0.001
"""False positive rates. The gate judges the first; the second needs ten times the records."""
MOST = 1_000_000
"""A count above this helps nobody."""
RANKS = 12
"""Ranks that are tried beyond the first that is possible. More were never better up to a million records."""
STEP = 1.005
"""Counts that are tried grow by half a percent: what is said to be needed is not more than that above the truth."""


def true_positive_rate(members: np.ndarray, others: np.ndarray, rate: float, confidence: float) -> dict[str, float]:
    """`{"value", "low", "high", "claimable"}`: share of members beyond the threshold. `claimable`: the lowest false
    positive rate that so many others can prove.

    Args:
        members, others: scores of trained and of other records; a high one says "trained". Shapes `(rows,)`.
        rate: false positive rate in (0, 1).
    """
    error = (1 - confidence) / 2
    rank, left = _upper_rank(len(members), len(others), rate, error)
    highest = np.sort(others)[::-1]
    beyond = int((members >= highest[rank - 1]).sum()) if rank <= len(others) else len(members)
    sure, rest = _lower_rank(len(others), rate, error)
    found = int((members > highest[sure - 1]).sum()) if sure else 0
    value = float((members > threshold(others, rate)).mean())
    low, high = exact_low(found, len(members), rest), float(_upper_end(beyond, len(members), left))
    return {
        "value": value,
        "low": min(low, value),
        "high": max(high, value),
        "claimable": 1 - error ** (1 / len(others)),
    }


def threshold(others: np.ndarray, rate: float) -> float:
    """The lowest score that at most the share `rate` of these other records lies beyond."""
    return float(np.sort(others)[::-1][int(rate * len(others) + 1e-9)])


def promised_rate(epsilon: float, delta: float, rate: float) -> float:
    """No attack on weights that were trained with (epsilon, delta) differential privacy has a higher true positive rate
    (Kairouz, Oh and Viswanath 2015, The composition theorem for differential privacy, arXiv:1311.0776)."""
    return min(math.exp(epsilon) * rate + delta, 1 - math.exp(-epsilon) * (1 - delta - rate))


@functools.lru_cache(maxsize=1000)
def records_for(
    found: float, limit: float, rate: float, confidence: float, members_per_other: float, least: int = 20
) -> tuple[int, int] | None:
    """Training and other records with which the interval of an attack ends at `limit`; None: no number is enough.

    Args:
        found: its true positive rate; `rate` if it only guesses.
        members_per_other: training records for each other one.
        least: no fewer others than these are tried.
    """
    if found >= limit:
        return None
    error, others = (1 - confidence) / 2, float(least)
    while others < MOST:
        rows = round(others)
        members = max(round(rows * members_per_other), 1)
        if _expected_end(members, rows, rate, found, error) <= limit:
            return members, rows
        others = max(others * STEP, others + 1)
    return None


def rate_that_ends_at(high: float, members: int, others: int, rate: float, confidence: float) -> float:
    """True positive rate of an attack whose interval is expected to end at `high` with so many records: chance may have
    put more members beyond the sure threshold than the attack's own figure says."""
    error, below, found = (1 - confidence) / 2, rate, 1.0
    if _expected_end(members, others, rate, rate, error) >= high:
        return rate
    while found - below > 1e-4:
        middle = (below + found) / 2
        below, found = (
            (below, middle) if _expected_end(members, others, rate, middle, error) >= high else (middle, found)
        )
    return found


def _expected_end(members: int, others: int, rate: float, found: float, error: float) -> float:
    """Where the interval of an attack ends that finds `found - rate` of the members for sure and guesses beyond."""
    rank, left = _upper_rank(members, others, rate, error)
    if rank > others:
        return 1.0
    surely = (found - rate) / (1 - rate)
    share = surely + (1 - surely) * rank / others
    return float(_upper_end(round(share * members), members, left))


def _upper_rank(members: int, others: int, rate: float, error: float) -> tuple[int, float]:
    """Rank of the threshold that is low enough for sure, and the error that is left for the share. Of the possible
    ranks, the one with which guessing has the lowest upper end, so that it depends on the counts alone."""
    from scipy.stats import binom

    ranks = int(binom.isf(error, others, rate)) + np.arange(1, RANKS + 1)
    ranks = ranks[ranks <= others]
    left = error - binom.sf(ranks - 1, others, rate)
    if not (left > 0).any():
        return others + 1, error
    ends = np.where(left > 0, _upper_end(np.round(members * ranks / others), members, np.maximum(left, 1e-12)), 1.0)
    best = int(ends.argmin())
    return int(ranks[best]), float(left[best])


def _lower_rank(others: int, rate: float, error: float) -> tuple[int, float]:
    """Rank of the threshold that is high enough for sure, and the error that is left; 0: none is."""
    from scipy.stats import binom

    wrong = binom.cdf(np.arange(others), others, rate)
    rank = int((wrong <= error / 2).sum()) or int(wrong[:1].sum() < error)
    return rank, error - float(wrong[rank - 1]) if rank else error


def _upper_end(found: np.ndarray | int, rows: int, error: np.ndarray | float) -> np.ndarray:
    from scipy.special import betaincinv

    found = np.asarray(found, float)
    inside = np.minimum(found, rows - 1)
    return np.where(found >= rows, 1.0, betaincinv(inside + 1, rows - inside, 1 - np.asarray(error)))


def exact_low(found: int, rows: int, error: float) -> float:
    """The share of `found` among `rows` is lower than this with at most this error (Clopper and Pearson 1934)."""
    from scipy.special import betaincinv

    return float(betaincinv(found, rows - found + 1, error)) if found else 0.0
