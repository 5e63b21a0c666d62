"""How much personal data is found in records that are drawn and looked at one by one, with an interval that holds
whenever somebody stops.

The record is the unit: what is found of its personal data is one share in [0, 1], so that many names in one record are
one observation. Records are drawn with replacement; one that was drawn `weight` times less often than its part of all
records counts `weight` times as much. Each possible recall is bet against, half of the capital with large and half with
small bets. Were it the true one, the capital would be a supermartingale, whatever is drawn next by what was drawn
before; so the chance that it ever is 2 / (1 - confidence) times what it was at the start is at most half of
1 - confidence (Ville 1939). The interval holds every recall that neither side has won so much against: Waudby-Smith and
Ramdas, Estimating means of bounded random variables by betting, Journal of the Royal Statistical Society B 86, 2024,
theorem 3 (arXiv:2010.09686); a mixture of bets is one more (Robbins 1970). `docs/adr/0042-recall-by-betting.md`.

Covered: looking after each record and stopping at any moment; records that are not drawn evenly. Not covered: people
who overlook something, which makes every figure too high.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
BETS = (0.9, 0.4)
"""Shares of the capital that a record without any find may cost. Alone, 0.9 is soon ruined by misses, and 0.4 is slow
where there are none."""
STEPS = 20
"""Halvings of [0, 1] for each end."""
MOST_MORE = 2_000
"""Records beyond which nobody is told how many are needed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A record that was looked at.

    Attributes:
        share: found of its personal data, in [0, 1]; None: it has none.
        weight: part of all records that it stands for, over the chance that it was drawn.
        largest: weight that any record could have had in its place.
    """

    share: float | None
    weight: float = 1.0
    largest: float = 1.0


@dataclass(frozen=True)
class Interval:
    """Recall. `value` is None before a record with personal data was seen."""

    value: float | None
    low: float
    high: float


def interval(seen: Sequence[Seen]) -> Interval:
    """The recall that these records show, in the order in which they were drawn."""
    counted = [one for one in seen if one.share is not None]
    if not counted:
        return Interval(None, 0.0, 1.0)
    shares, sizes = _arrays(counted)
    weights = np.array([one.weight for one in counted])
    value = float((weights * shares).sum() / weights.sum())
    ends = []
    for lower in (True, False):
        excluded, kept = (0.0, 1.0) if lower else (1.0, 0.0)
        for _ in range(STEPS):
            rate = (excluded + kept) / 2
            if capital(shares, sizes, rate, lower=lower).max() >= _won():
                excluded = rate
            else:
                kept = rate
        ends.append(excluded)
    return Interval(value, min(value, ends[0]), max(value, ends[1]))


def capital(shares: np.ndarray, sizes: np.ndarray, rate: float, *, lower: bool) -> np.ndarray:
    """Logarithm of the capital after each record, which begins with 1; shapes `(..., records)`.

    Args:
        sizes: weight of each record over the largest that it could have had, in (0, 1]; 0: it has no personal data.
        rate: the recall that is bet against, in (0, 1).
        lower: bet that the true one is higher, so that `rate` ends below the interval.
    """
    won = sizes * ((shares - rate) / rate if lower else (rate - shares) / (1 - rate))
    each: np.ndarray = np.logaddexp.reduce([np.cumsum(np.log1p(bet * won), axis=-1) for bet in BETS])
    return each - math.log(len(BETS))


def records_to_go(seen: Sequence[Seen], floor: float) -> int | None:
    """About how many more records show a recall above the floor if nothing is missed in them; 0: they do already.
    None: nobody can tell, or more than `MOST_MORE`."""
    counted = [one for one in seen if one.share is not None]
    if not counted:
        return None
    shares, sizes = _arrays(counted)
    if capital(shares, sizes, floor, lower=True).max() >= _won():
        return 0
    more = np.ones(MOST_MORE)
    after = capital(np.append(shares, more), np.append(sizes, more), floor, lower=True)[len(shares) :]
    if after[-1] < _won():
        return None
    with_any = (int(np.argmax(after >= _won())) + 1) * len(seen) / len(counted)
    return math.ceil(with_any) if with_any <= MOST_MORE else None


def _arrays(counted: Sequence[Seen]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([one.share for one in counted], float), np.array([one.weight / one.largest for one in counted])


def _won() -> float:
    return math.log(2 / (1 - CONFIDENCE))
