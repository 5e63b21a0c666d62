"""Share of answers that are one JSON object and nothing else (`evaluation.json_answers`)."""

import numpy as np

from ft_platform.evaluation.json_answers import read_object
from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import TextOutputs


def statistics(outputs: TextOutputs) -> np.ndarray:
    return np.array([[read_object(answer) is not None, 1.0] for answer in outputs.answers], float)


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


METRIC = Metric(
    "json_validity",
    "Valid JSON",
    "generation",
    0.0,
    1.0,
    True,
    -4,
    statistics,
    score,
    lambda outputs: outputs.schema is not None,
)
