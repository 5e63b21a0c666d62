"""How many records an attack needs before its interval can end below a limit: computed, so that a refusal can say what
is missing."""

from collections.abc import Callable

from ft_platform.training.privacy_attacks.shares import difference_of_shares

MOST = 10_000_000
"""A count above this helps nobody: the figure lies at its limit."""


def for_gain(verbatim: float, baseline: float, limit: float, confidence: float) -> int | None:
    """Texts a side with which the interval of `verbatim - baseline` ends at `limit` (Newcombe 1998, method 10); None:
    no number is enough.

    Args:
        verbatim, baseline: shares of training and of test texts that were continued word for word; both 0 where nothing
            was measured yet.
    """
    if verbatim - baseline < limit:
        return _fewest(lambda rows: difference_of_shares(verbatim, rows, baseline, rows, confidence)["high"], limit)
    return None


def _fewest(upper_end: Callable[[int], float], limit: float) -> int | None:
    """The smallest count whose upper end is at most `limit`; the end falls while the count rises."""
    if upper_end(MOST) > limit:
        return None
    low, high = 1, MOST
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if upper_end(middle) <= limit else (middle + 1, high)
    return low
