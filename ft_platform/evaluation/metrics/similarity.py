"""How similar answers are to their references by the hidden states of a model (`evaluation.similarities`); mean over
records."""

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import TextOutputs


def statistics(outputs: TextOutputs) -> np.ndarray:
    return np.stack([outputs.similarities, np.ones(len(outputs))], axis=1)


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


METRIC = Metric(
    "similarity",
    "Similarity",
    "generation",
    -1.0,
    1.0,
    True,
    7,
    statistics,
    score,
    lambda outputs: len(outputs.similarities) > 0,
)
