"""Share of records with the right label."""

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import LabelOutputs


def statistics(outputs: LabelOutputs) -> np.ndarray:
    truth, predicted = outputs.codes()
    return np.stack([truth == predicted, np.ones(len(outputs))], axis=1).astype(float)


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


METRIC = Metric("accuracy", "Accuracy", "classification", 0.0, 1.0, True, 1, statistics, score)
