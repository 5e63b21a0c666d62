"""Shares and means of one group with intervals, where nothing has to be resampled."""

import math
from collections.abc import Sequence

import numpy as np

from ft_platform.evaluation.intervals import Figure


def share(count: float, rows: int, confidence: float) -> Figure:
    """`count / rows` with Wilson's interval, which is right at 0 and 1 too (Wilson, Probable inference, 1927)."""
    z = _z(confidence)
    value = count / rows
    centre = (value + z * z / (2 * rows)) / (1 + z * z / rows)
    spread = z * math.sqrt(value * (1 - value) / rows + z * z / (4 * rows * rows)) / (1 + z * z / rows)
    return {"value": value, "low": max(0.0, min(value, centre - spread)), "high": min(1.0, max(value, centre + spread))}


def mean(values: Sequence[float] | np.ndarray, confidence: float) -> Figure:
    """The mean of at least two values with Student's interval."""
    from scipy.stats import t

    found = np.asarray(values, float)
    value = float(found.mean())
    spread = float(t.ppf((1 + confidence) / 2, len(found) - 1) * found.std(ddof=1) / math.sqrt(len(found)))
    return {"value": value, "low": value - spread, "high": value + spread}


def _z(confidence: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf((1 + confidence) / 2))
