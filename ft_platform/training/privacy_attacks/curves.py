"""ROC curves of an attack, and the area under them with an interval over resampled records (percentile bootstrap: Efron
and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13)."""

from collections.abc import Iterator

import numpy as np

from ft_platform.evaluation.intervals import DRAWS_IN_MEMORY, interval
from ft_platform.use_case.settings.attacks import Attacks


def roc(members: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False- and true-positive rates at every threshold, from (0, 0) to (1, 1).

    Args:
        members, others: scores of trained and of other records; a high one says "trained". Shapes `(rows,)`.
    """
    false, true = _counts(members, others, np.ones((1, len(members))), np.ones((1, len(others))))
    return false[0] / len(others), true[0] / len(members)


def areas(members: np.ndarray, others: np.ndarray, weights: tuple[np.ndarray, np.ndarray] | None = None) -> np.ndarray:
    """Area under the ROC curve of each resample; ties count half. Shape `(samples,)`.

    Args:
        weights: how often each record stands in each resample, shapes `(samples, members)` and `(samples, others)`.
            Default: each once, in one sample.
    """
    drawn = weights or (np.ones((1, len(members))), np.ones((1, len(others))))
    false, true = _counts(members, others, *drawn)
    # The trapezoid between two thresholds is what counts ties half.
    found = (np.diff(false, axis=1) * (true[:, 1:] + true[:, :-1]) / 2).sum(axis=1)
    return found / (len(members) * len(others))


def _counts(
    members: np.ndarray, others: np.ndarray, of_members: np.ndarray, of_others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """False and true positives at every threshold, the highest first. Shapes `(samples, thresholds + 1)`."""
    scores = np.concatenate([members, others])
    order = np.argsort(-scores, kind="stable")
    last_of_equals = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    samples = len(of_members)
    nothing = np.zeros((samples, 1))
    true = np.cumsum(np.concatenate([of_members, np.zeros((samples, len(others)))], axis=1)[:, order], axis=1)
    false = np.cumsum(np.concatenate([np.zeros((samples, len(members))), of_others], axis=1)[:, order], axis=1)
    return np.concatenate([nothing, false[:, last_of_equals]], axis=1), np.concatenate(
        [nothing, true[:, last_of_equals]], axis=1
    )


def resamples(members: int, others: int, samples: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """How often each record is drawn, in parts that fit into memory. Equal arguments give equal draws: figures of the
    same records are paired."""
    rng = np.random.default_rng(seed)
    at_once = max(1, DRAWS_IN_MEMORY // (2 * (members + others)))
    for start in range(0, samples, at_once):
        count = min(at_once, samples - start)
        yield (
            rng.multinomial(members, np.full(members, 1 / members), size=count).astype(float),
            rng.multinomial(others, np.full(others, 1 / others), size=count).astype(float),
        )


def area(members: np.ndarray, others: np.ndarray, settings: Attacks) -> dict[str, float]:
    """Area under the ROC curve with its interval, `{"value", "low", "high"}`.

    Args:
        members, others: scores of trained and of other records. Shapes `(rows,)`.
    """
    drawn = resamples(len(members), len(others), settings.bootstrap_samples, settings.seed)
    resampled = np.concatenate([areas(members, others, weights) for weights in drawn])
    return interval(float(areas(members, others)[0]), resampled, settings.confidence)
