"""Percentile bootstrap intervals over test records (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch.
13).

Records with equal statistics are interchangeable, so a resample is one multinomial draw over the distinct ones: for
classification over the cells of the confusion matrix.
"""

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import Outputs
from ft_platform.use_case.settings.evaluation import Evaluation

Figure = dict[str, float]
DRAWS_IN_MEMORY = 4_000_000


def resampled_sums(statistics: np.ndarray, samples: int, seed: int | list[int]) -> np.ndarray:
    """Sums over `samples` resamples with replacement of the rows. Shapes `(rows, k)` -> `(samples, k)`."""
    distinct, counts = np.unique(statistics, axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    rows, share = int(counts.sum()), counts / counts.sum()
    at_once = max(1, DRAWS_IN_MEMORY // len(distinct))
    parts = [
        rng.multinomial(rows, share, size=min(at_once, samples - start)) @ distinct
        for start in range(0, samples, at_once)
    ]
    return np.concatenate(parts)


def percentiles(values: np.ndarray, confidence: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def interval(value: float, resampled: np.ndarray, confidence: float) -> Figure:
    """`{"value", "low", "high"}`."""
    low, high = percentiles(resampled, confidence)
    return {"value": value, "low": low, "high": high}


def figure(metric: Metric, outputs: Outputs, settings: Evaluation) -> Figure:
    """The score of a system with its interval."""
    statistics = metric.statistics(outputs)
    resampled = metric.score(resampled_sums(statistics, settings.bootstrap_samples, settings.seed))
    return interval(float(metric.score(statistics.sum(axis=0))), resampled, settings.confidence)
