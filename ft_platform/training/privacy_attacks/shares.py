"""Shares and their differences, with intervals."""

import math
from statistics import NormalDist


def wilson(successes: float, rows: int, confidence: float) -> dict[str, float]:
    """A share with its score interval (Wilson 1927, JASA 22), which is not empty at 0 and 1 as a bootstrap is."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = successes / rows, z * z / rows
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / rows + spread / (4 * rows))
    return {"value": share, "low": max(middle - half, 0.0), "high": min(middle + half, 1.0)}


def newcombe(one: tuple[int, int], other: tuple[int, int], confidence: float) -> dict[str, float]:
    """Difference of two independent shares with its hybrid score interval (Newcombe 1998, Statistics in Medicine 17,
    method 10).

    Args:
        one, other: `(successes, rows)`.
    """
    return difference_of_shares(one[0] / one[1], one[1], other[0] / other[1], other[1], confidence)


def difference_of_shares(
    one: float, one_rows: int, other: float, other_rows: int, confidence: float
) -> dict[str, float]:
    """`newcombe`, from shares in [0, 1] of so many rows."""
    a, b = wilson(one * one_rows, one_rows, confidence), wilson(other * other_rows, other_rows, confidence)
    value = a["value"] - b["value"]
    low = value - math.hypot(a["value"] - a["low"], b["high"] - b["value"])
    high = value + math.hypot(a["high"] - a["value"], b["value"] - b["low"])
    return {"value": value, "low": low, "high": high}
