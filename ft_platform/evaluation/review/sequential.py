"""When a review may end: an interval for the win rate that holds however often somebody looks at it.

Each possible win rate is bet against: one half of the capital bets that the true one is higher, one that it is lower.
Were it the true one, the chance that the capital ever is 1 / (1 - confidence) times what it was at the start would be
at most 1 - confidence (Ville's inequality). The interval holds the rates against which neither half has won so much:
the hedged capital of Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, Journal of the
Royal Statistical Society B 86, 2024, theorem 3 (arXiv:2010.09686). Bets are as large as suits the most records that a
review may have. `benchmarks/review.py` measures how often it is wrong, and what it saves.

Covered: a review that ends at any moment for any reason, ties, and any points in [0, 1]. Records come in an order that
was drawn before the first judgement. Not covered: raters are no sample of all raters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ft_platform.evaluation.intervals import Figure

End = Literal["", "reached", "missed", "too_close", "all"]
"""Why a review may end: the whole interval reaches the rate that is asked for, it lies below it, it is unlikely that
the records that are left show either, or none is left. Empty: it goes on."""
LARGEST_BET = 0.75
"""Share of the capital that one record may cost. Waudby-Smith and Ramdas name 1/2 and 3/4."""
SHOWN = 3.3
"""Distance from the rate that is asked for, in standard deviations of a record over the root of the most records, that
a review finds three times in four, and less often with many ties (`python benchmarks/review.py`)."""
MISSES = 0.2
"""Chance, at most, that the rate is that far away on one side where a review ends as too close."""


@dataclass(frozen=True)
class Standing:
    """How far a review has come.

    Attributes:
        records: that count.
        win_rate: with its interval; None before the first record.
    """

    records: int
    win_rate: Figure | None
    end: End


def standing(points: Sequence[float], most: int, confidence: float, least: float) -> Standing:
    """Where a review stands after these records.

    Args:
        points: of each record in the order that was drawn: 1 where the fine-tuned model wins, 0.5 for a tie, 0.
        most: records that the review may have; chosen before the first judgement.
        least: win rate that is asked for, in (0, 1).
    """
    if not points:
        return Standing(0, None, "")
    found = np.asarray(points, float)
    rate = interval_of(found, most, confidence)
    end: End = ""
    if rate["low"] >= least:
        end = "reached"
    elif rate["high"] <= least:
        end = "missed"
    elif too_close(found, most, confidence, least):
        end = "too_close"
    elif len(found) >= most:
        end = "all"
    return Standing(len(found), rate, end)


def interval_of(points: np.ndarray, most: int, confidence: float) -> Figure:
    """`{"value", "low", "high"}` of points of shape `(records,)`, at least one.

    The half that bets on a higher rate has the less, the higher the rate that it bets against, so that each end is
    found by halving.
    """
    sizes, won, ends = bets(points, most, confidence), math.log(2 / (1 - confidence)), []
    for higher in (True, False):
        excluded, kept = (0.0, 1.0) if higher else (1.0, 0.0)
        for _ in range(20):
            rate = (excluded + kept) / 2
            if log_capital(points, sizes, rate, higher=higher)[-1] >= won:
                excluded = rate
            else:
                kept = rate
        ends.append(excluded)
    value = float(points.mean())
    return {"value": value, "low": min(value, ends[0]), "high": max(value, ends[1])}


def too_close(points: np.ndarray, most: int, confidence: float, least: float) -> np.ndarray:
    """Whether the rate most likely is nearer to `least` than the most records would show. Shapes `(..., records)` ->
    `(...)`."""
    sizes, odds = bets(points, most, confidence), -math.log(MISSES)
    distance = (SHOWN * _deviations(points)[..., -1] / math.sqrt(most))[..., None]
    below, above = np.maximum(least - distance, 0.001), np.minimum(least + distance, 0.999)
    not_below = log_capital(points, sizes, below, higher=True)[..., -1] >= odds
    not_above = log_capital(points, sizes, above, higher=False)[..., -1] >= odds
    near: np.ndarray = not_below & not_above
    return near


def log_capital(points: np.ndarray, sizes: np.ndarray, rate: float | np.ndarray, *, higher: bool) -> np.ndarray:
    """Logarithm of what one half of the capital is after each record, which begins with 1. Shape `(..., records)`.

    Args:
        sizes: of the bets.
        rate: the win rate that is bet against, in (0, 1).
        higher: the half that bets on a higher one.
    """
    sign, room = (1.0, np.asarray(rate, float)) if higher else (-1.0, 1 - np.asarray(rate, float))
    return np.cumsum(np.log1p(sign * np.minimum(sizes, LARGEST_BET / room) * (points - rate)), axis=-1)


def bets(points: np.ndarray, most: int, confidence: float) -> np.ndarray:
    """How large the bet on each record is. None knows the record that it is about. Shape of `points`."""
    first = np.full((*points.shape[:-1], 1), 0.5)
    before = np.concatenate([first, _deviations(points)[..., :-1]], axis=-1)
    return math.sqrt(2 * math.log(2 / (1 - confidence)) / most) / before


def _deviations(points: np.ndarray) -> np.ndarray:
    """Standard deviation of the points up to each record, and of one that is 1/2 away from the mean."""
    seen = np.arange(1, points.shape[-1] + 1)
    means = (np.cumsum(points, axis=-1) + 0.5) / (seen + 1)
    return np.sqrt((np.cumsum((points - means) ** 2, axis=-1) + 0.25) / (seen + 1))
