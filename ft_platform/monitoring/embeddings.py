"""Embeddings of requests as numbers that `alarms` can watch.

Two of them: the distance from the reference, which sees what is far from everything known on its first day; and a
direction learned from the days before, which sees what moved inside (a classifier's output as a bet, Podkopaev and
Ramdas, Sequential predictive two-sample and independence testing, 2023). A direction is learned on the rows that
choose bins and on earlier days, and judged on the other rows and on the next day, so that its score is fair.
"""

from dataclasses import dataclass

import numpy as np

from ft_platform.errors import DataError
from ft_platform.monitoring.measures import Measure, fit_rows, measure_of

DIRECTION = "embedding_direction"
DISTANCE = "embedding_distance"
RIDGE = 0.1
"""Of the mean variance of a dimension, added to each (Ledoit and Wolf, 2004, shrink alike, by an estimated share)."""
FORGET = 0.75
"""Weight of a day's requests in the direction, for each day since."""
LEARN_EVERY = 7
"""Days that are judged by one direction: evidence starts again with the next."""


@dataclass(frozen=True)
class Space:
    """Where the reference lies: `mean` of shape `(d,)`, `precision` the inverse of its covariance, `(d, d)`, and the
    number of rows behind them."""

    mean: np.ndarray
    precision: np.ndarray
    rows: int

    def distance(self, embeddings: np.ndarray) -> np.ndarray:
        """Mahalanobis distance of each row of `(n, d)` from the mean; the column `DISTANCE`."""
        apart = embeddings - self.mean
        return np.sqrt(np.einsum("nd,dk,nk->n", apart, self.precision, apart))


def space_of(reference: np.ndarray) -> Space:
    """Of the rows of a reference `(n, d)` that choose bins (`fit_rows`).

    Raises:
        DataError: these are fewer than two, or the embeddings are all the same.
    """
    fit = np.asarray(reference, float)[fit_rows(len(reference))]
    if len(fit) < 2 or not (variance := float(fit.var(axis=0).mean())):
        raise DataError("the embeddings of the reference do not differ", "Take a larger reference")
    covariance = np.cov(fit, rowvar=False).reshape(fit.shape[1], -1) + RIDGE * variance * np.eye(fit.shape[1])
    return Space(fit.mean(axis=0), np.linalg.inv(covariance), len(fit))


@dataclass(frozen=True)
class Days:
    """Sums of embeddings `(d,)` and numbers of requests so far: of all days, and of late, each day weighted by
    `FORGET`. Small enough for JSON."""

    total: tuple[float, ...] = ()
    requests: int = 0
    late_total: tuple[float, ...] = ()
    late_requests: float = 0.0

    def with_day(self, embeddings: np.ndarray) -> "Days":
        """With one more day of shape `(n, d)`."""
        if not len(embeddings):
            return self
        found, none = np.asarray(embeddings, float).sum(axis=0), np.zeros(embeddings.shape[1])
        return Days(
            tuple((np.asarray(self.total or none) + found).tolist()),
            self.requests + len(embeddings),
            tuple((FORGET * np.asarray(self.late_total or none) + found).tolist()),
            FORGET * self.late_requests + len(embeddings),
        )


def direction(space: Space, days: Days) -> np.ndarray | None:
    """From the reference and all days to the days of late, by Fisher's discriminant (1936), of shape `(d,)`; None
    before the first day. Multiply embeddings by it for the column `DIRECTION`."""
    if not days.requests:
        return None
    ever = (space.mean * space.rows + np.asarray(days.total)) / (space.rows + days.requests)
    return space.precision @ (np.asarray(days.late_total) / days.late_requests - ever)


def direction_measure(reference: np.ndarray, towards: np.ndarray) -> tuple[Measure, np.ndarray]:
    """The measure of a direction and the reference's counts in it, for `alarms.renewed`."""
    scores = np.asarray(reference, float) @ towards
    fit = fit_rows(len(scores))
    measure = measure_of(DIRECTION, scores[fit])
    return measure, measure.counts(scores[~fit])
