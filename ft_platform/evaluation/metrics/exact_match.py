"""Share of answers that are the reference, up to white space at the ends and its amount between words."""

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import TextOutputs


def statistics(outputs: TextOutputs) -> np.ndarray:
    return np.array(
        [[r.split() == a.split(), 1.0] for r, a in zip(outputs.references, outputs.answers, strict=True)], float
    )


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


METRIC = Metric("exact_match", "Exact match", "generation", 0.0, 1.0, True, 5, statistics, score)
