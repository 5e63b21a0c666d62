"""Share of the fields that references state which answers have with the same value (micro average)."""

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.metrics.field_f1 import statistics


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / np.maximum(sums[..., 2], 1)


METRIC = Metric(
    "field_recall",
    "Field recall",
    "generation",
    0.0,
    1.0,
    True,
    -1,
    statistics,
    score,
    lambda outputs: outputs.schema is not None,
)
