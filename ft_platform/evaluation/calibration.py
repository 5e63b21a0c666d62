"""Whether a system's confidence is what it says, and how good its answers are where it is sure.

Confidence is the probability of the chosen label among all labels of the use case.
"""

from typing import Any

import numpy as np

from ft_platform.evaluation.intervals import interval, resampled_sums
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.use_case.settings.evaluation import Evaluation

BINS = 10
"""Bins of equal width (Guo et al., On Calibration of Modern Neural Networks, ICML 2017)."""
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.25, 0.1)
LEAST_ROWS = 10
"""A share of the test split with fewer records is not shown."""


def calibration(outputs: LabelOutputs, settings: Evaluation) -> dict[str, Any] | None:
    """Calibration and selective accuracy of a system; None where it has no confidence.

    Returns:
        `{"ece": {"value", "low", "high"}, "mean_confidence", "accuracy", "bins": [{"low", "high", "rows", "confidence",
        "accuracy"}], "selective": [{"coverage", "rows", "threshold", "accuracy": {"value", "low", "high"}}]}`. `ece` is
        the mean distance between confidence and accuracy over bins, weighted by their records, in [0, 1]. `selective`:
        accuracy on the records the system is surest of, if it may leave the others to a person.
    """
    if outputs.confidence is None:
        return None
    truth, predicted = outputs.codes()
    correct, confidence = (truth == predicted).astype(float), outputs.confidence
    statistics = _bin_statistics(confidence, correct)
    sums = statistics.sum(axis=0)
    resampled = resampled_sums(statistics, settings.bootstrap_samples, settings.seed)
    return {
        "ece": interval(float(_expected_error(sums)), _expected_error(resampled), settings.confidence),
        "mean_confidence": float(confidence.mean()),
        "accuracy": float(correct.mean()),
        "bins": _bins(sums),
        "selective": _selective(confidence, correct, settings.confidence),
    }


def _bin_statistics(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Rows whose sums are records, confidence and hits of each bin. Shape `(rows, 3 * BINS)`."""
    rows = np.arange(len(confidence))
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    result = np.zeros((len(confidence), 3 * BINS))
    for part, values in enumerate((np.ones(len(confidence)), confidence, correct)):
        result[rows, part * BINS + number] = values
    return result


def _expected_error(sums: np.ndarray) -> np.ndarray:
    records, confidence, hits = np.split(sums, 3, axis=-1)
    return np.abs(confidence - hits).sum(axis=-1) / records.sum(axis=-1)


def _bins(sums: np.ndarray) -> list[dict[str, Any]]:
    records, confidence, hits = np.split(sums, 3)
    return [
        {
            "low": i / BINS,
            "high": (i + 1) / BINS,
            "rows": int(records[i]),
            "confidence": float(confidence[i] / records[i]),
            "accuracy": float(hits[i] / records[i]),
        }
        for i in range(BINS)
        if records[i]
    ]


def _selective(confidence: np.ndarray, correct: np.ndarray, level: float) -> list[dict[str, Any]]:
    """Accuracy above a threshold of confidence; records of equal confidence are taken together, so a share can be
    larger than asked for."""
    ordered = np.sort(confidence)[::-1]
    found: list[dict[str, Any]] = []
    for coverage in COVERAGES:
        threshold = ordered[max(round(coverage * len(ordered)), 1) - 1]
        answered = confidence >= threshold
        rows, hits = int(answered.sum()), int(correct[answered].sum())
        if rows < LEAST_ROWS or (found and rows == found[-1]["rows"]):
            continue
        found.append(
            {
                "coverage": rows / len(ordered),
                "rows": rows,
                "threshold": float(threshold),
                "accuracy": wilson(hits, rows, level),
            }
        )
    return found


def wilson(hits: int, rows: int, confidence: float) -> dict[str, float]:
    """A share with its score interval (Wilson, 1927), which is right for few records and for shares near 0 and 1."""
    from scipy.stats import binomtest

    bounds = binomtest(hits, rows).proportion_ci(confidence_level=confidence, method="wilson")
    return {"value": hits / rows, "low": float(bounds.low), "high": float(bounds.high)}
