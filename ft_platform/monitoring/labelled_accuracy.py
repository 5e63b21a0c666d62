"""Accuracy of answers that people judged: a random share weighted by how likely each was asked, or whoever spoke up."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ft_platform.errors import DataError
from ft_platform.evaluation.proportions import share

LEAST_JUDGED = 30
VOLUNTEERS = (
    "only people who chose to answer are counted, and they may differ from all; the bounds hold whatever others say"
)


@dataclass(frozen=True)
class Judged:
    """Accuracy by feedback.

    Attributes:
        value: share of right answers; None with too little feedback.
        low, high: a fixed interval, right for one look at a time chosen beforehand. Of volunteers: bounds, whatever the
            others say, each widened as the end of such an interval.
        judged: answers with a judgement.
        kind: what `low` and `high` are.
        bias: what is not covered; empty for a random share.
    """

    value: float | None
    low: float | None
    high: float | None
    judged: int
    kind: Literal["interval", "bounds", "too_little_feedback"]
    bias: str = ""


def from_random_share(right: np.ndarray, asked_with: np.ndarray, confidence: float = 0.95) -> Judged:
    """From requests that were drawn at random to be judged, and were.

    Where all were drawn alike, Wilson's interval; else the ratio estimator, weighted by one over the probability
    (Hajek, 1971), with Wilson's interval at the effective number of judgements (Kish, Survey
    Sampling, 1965).

    Args:
        right: whether each judged answer was right, `(n,)`.
        asked_with: the probability with which each was drawn, in (0, 1].

    Raises:
        DataError: a probability is not in (0, 1], or the lengths differ.
    """
    right, asked_with = np.asarray(right, float), np.asarray(asked_with, float)
    if right.shape != asked_with.shape or not ((asked_with > 0) & (asked_with <= 1)).all():
        raise DataError(
            "each judged answer needs the probability in (0, 1] with which it was drawn", "Keep it when you ask"
        )
    if len(right) < LEAST_JUDGED:
        return Judged(None, None, None, len(right), "too_little_feedback")
    if np.unique(asked_with).size == 1:
        found = share(float(right.sum()), len(right), confidence)
        return Judged(found["value"], found["low"], found["high"], len(right), "interval")
    weights = 1 / asked_with
    value = float(weights @ right / weights.sum())
    worth = weights.sum() ** 2 / (weights**2).sum()
    found = share(value * worth, worth, confidence)
    return Judged(value, found["low"], found["high"], len(right), "interval")


def from_volunteers(right: np.ndarray, answered: int, confidence: float = 0.95) -> Judged:
    """From feedback nobody was drawn for: a share that is biased, and bounds for all (Manski, Partial Identification
    of Probability Distributions, 2003, ch. 1). They are about the model and not these answers alone, so each has the
    luck of a day in it: Wilson's interval where the others are all wrong, and where they are all right.

    Args:
        right: whether each judged answer was right, `(n,)`.
        answered: requests answered, judged or not.

    Raises:
        DataError: more answers were judged than given.
    """
    right = np.asarray(right, float)
    if len(right) > answered:
        raise DataError(f"{len(right)} answers judged, {answered} given", "Count each request once")
    if len(right) < LEAST_JUDGED:
        return Judged(None, None, None, len(right), "too_little_feedback", VOLUNTEERS)
    hits, unknown = float(right.sum()), answered - len(right)
    low, high = (share(some, answered, confidence) for some in (hits, hits + unknown))
    return Judged(float(right.mean()), low["low"], high["high"], len(right), "bounds", VOLUNTEERS)
