"""Evidence of a change in one measure, day after day, and when it is enough.

Each day has statistics that are standard normal if nothing changed. Bets on them make e-values, and e-values make
e-detectors of Shiryaev and Roberts: `R(t) = (1 + R(t - 1)) e(t)` (Shin, Ramdas and Rinaldo, E-detectors: a
nonparametric framework for sequential change detection, 2024, "e-SR"), so that quiet months cost a late change
nothing. As `R(t) - t` is a martingale, `P(R reaches c within T days) <= T / c` (Doob's inequality). Half of the rate is
spent on those, half on single days: a change that is plain on its first day needs no sum.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, log_ndtr, ndtri

DRIFTS = np.array([1.0, 2.0, 3.5])
"""Shifts of a statistic that are bet on, in standard deviations of a day. Above 3.5 a single day is enough."""
FORGET = (0.3, 0.85)
"""Weight of a day's scores in a direction learned, for each day since: one that turns at once, and one with memory."""
SMALLEST = 1e-300


@dataclass(frozen=True)
class Evidence:
    """Of one measure, since its last reset.

    Attributes:
        log_sums: log of `R` of each bet: those of `DRIFTS` on every statistic, then the learned ones.
        directions: sums of the scores of days, each day weighted by one of `FORGET`; empty before the first day.
        days: so far.
        smallest: the smallest probability of a single day so far, corrected for the number of its statistics, in [0,
            1].
    """

    log_sums: tuple[float, ...] = ()
    directions: tuple[tuple[float, ...], ...] = ()
    days: int = 0
    smallest: float = 1.0

    def log_sum(self) -> float:
        """Log of the mean of `R`, every statistic and learned bet weighted alike; -inf before the first day."""
        if not self.log_sums:
            return -math.inf
        shares = np.repeat(1 / len(DRIFTS), len(self.log_sums) - len(FORGET))
        weights = np.append(shares, np.ones(len(FORGET))) / (shares.sum() + len(FORGET))
        return float(np.logaddexp.reduce(np.asarray(self.log_sums) + np.log(weights)))


def after(evidence: Evidence, scores: np.ndarray, trend: np.ndarray | None) -> Evidence:
    """Evidence with one more day.

    Args:
        scores: of `normal_scores`, shape `(n,)`.
        trend: for numbers, the weight of each score in the statistic of direction, of shape `(n,)`; None for names.
    """
    if not len(scores):
        return evidence
    statistics = _statistics(scores, trend)
    bets = (statistics[:, None] * DRIFTS - DRIFTS**2 / 2).ravel()
    before = np.asarray(evidence.log_sums or [-math.inf] * (len(bets) + len(FORGET)))
    old = np.asarray(evidence.directions or np.zeros((len(FORGET), len(scores))))
    learned = [_learned_bet(one, forget, evidence.days, scores) for one, forget in zip(old, FORGET, strict=True)]
    sums = np.logaddexp(0, before) + np.append(bets, learned)
    new = np.asarray(FORGET)[:, None] * old + scores
    surprise = len(statistics) * math.exp(float(log_ndtr(-statistics.max())))
    return Evidence(
        tuple(sums.tolist()),
        tuple(tuple(one) for one in new.tolist()),
        evidence.days + 1,
        min(evidence.smallest, surprise),
    )


def _statistics(scores: np.ndarray, trend: np.ndarray | None) -> np.ndarray:
    """Standard normal each, or 0: the sum of squares, the largest score and, for numbers, higher and lower."""
    squares = float(chdtrc(len(scores), scores @ scores))
    single = 2 * math.exp(float(log_ndtr(-np.abs(scores).max())))
    largest = -math.expm1(len(scores) * math.log1p(-min(single, 1 - 1e-16)))
    found = [_quantile(squares), _quantile(largest)]
    if trend is not None:  # without a weight nothing moves, and 0 bets on nothing: as many statistics each day
        higher = -float(scores @ trend) / (float(np.linalg.norm(trend)) or 1.0)
        found += [higher, -higher]
    return np.array(found)


def _quantile(probability: float) -> float:
    return -float(ndtri(max(probability, SMALLEST)))


def _learned_bet(direction: np.ndarray, forget: float, days: int, scores: np.ndarray) -> float:
    """Log of the e-value against a shift of the scores by their mean of late, shrunk as by James and Stein
    (positive part; Efron and Morris, 1973). Only earlier days choose the bet."""
    if not days:
        return 0.0
    weights = forget ** np.arange(days)
    mean = direction / weights.sum()
    noise = len(mean) * float(weights @ weights) / weights.sum() ** 2
    bet = mean * max(0.0, 1 - noise / float(mean @ mean))
    return float(bet @ scores - bet @ bet / 2)
