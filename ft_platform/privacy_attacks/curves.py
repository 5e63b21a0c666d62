"""ROC curves of an attack with intervals over resampled records (percentile bootstrap: Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, ch. 13).

The area under the curve and the true-positive rate at a false-positive rate of 1 % (Carlini et al., arXiv:2112.03570,
section IV: an average says little about the few records that are given away for sure).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft_platform.evaluation.intervals import DRAWS_IN_MEMORY, interval

FALSE_POSITIVES = 0.01


@dataclass(frozen=True)
class Curve:
    """Area and rate of one sample, or of each of several resamples. Shapes `(samples,)`."""

    auc: np.ndarray
    tpr: np.ndarray


def roc(members: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False- and true-positive rates at every threshold, from (0, 0) to (1, 1).

    Args:
        members, others: scores of trained and of other records; a high one says "trained". Shapes `(rows,)`.
    """
    false, true = _counts(members, others, np.ones((1, len(members))), np.ones((1, len(others))))
    return false[0] / len(others), true[0] / len(members)


def curve(members: np.ndarray, others: np.ndarray, weights: tuple[np.ndarray, np.ndarray] | None = None) -> Curve:
    """Area under the ROC curve (ties count half) and the greatest true-positive rate with at most 1 % false positives.

    Args:
        weights: how often each record stands in each resample, shapes `(samples, members)` and `(samples, others)`.
            Default: each once, in one sample.
    """
    drawn = weights or (np.ones((1, len(members))), np.ones((1, len(others))))
    false, true = _counts(members, others, *drawn)
    # The trapezoid between two thresholds is what counts ties half.
    areas = (np.diff(false, axis=1) * (true[:, 1:] + true[:, :-1]) / 2).sum(axis=1)
    allowed = np.where(false <= FALSE_POSITIVES * len(others), true, 0.0).max(axis=1)
    return Curve(areas / (len(members) * len(others)), allowed / len(members))


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


def figures_of(
    attack: tuple[np.ndarray, np.ndarray],
    control: tuple[np.ndarray, np.ndarray],
    samples: int,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """`{"auc", "tpr_at_1_fpr", "control_auc", "excess"}`, each `{"value", "low", "high"}`; `excess` is area minus area
    of the control, on the same resamples.

    Args:
        attack, control: scores of trained and of other records, by the trained and by the untrained model.
    """
    members, others = attack
    drawn = [
        (curve(*attack, weights), curve(*control, weights))
        for weights in resamples(len(members), len(others), samples, seed)
    ]
    areas, rates, controls = (
        np.concatenate(parts) for parts in zip(*((a.auc, a.tpr, c.auc) for a, c in drawn), strict=True)
    )
    once, before = curve(*attack), curve(*control)
    return {
        "auc": interval(float(once.auc[0]), areas, confidence),
        "tpr_at_1_fpr": interval(float(once.tpr[0]), rates, confidence),
        "control_auc": interval(float(before.auc[0]), controls, confidence),
        "excess": interval(float(once.auc[0] - before.auc[0]), areas - controls, confidence),
    }
