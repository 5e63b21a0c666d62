"""Share of the fields that answers state whose value is that of the reference (micro average)."""

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.metrics.field_f1 import statistics


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / np.maximum(sums[..., 1], 1)


METRIC = Metric(
    "field_precision",
    "Field precision",
    "generation",
    0.0,
    1.0,
    True,
    -2,
    statistics,
    score,
    lambda outputs: outputs.schema is not None,
)
