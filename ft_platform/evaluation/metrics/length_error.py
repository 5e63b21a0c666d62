"""How far answers are from the length of their references: mean absolute difference in words, as a share of the
references' mean number of words.

0: each answer has as many words as its reference; 0.5: they are half a reference too long or too short. Words are what
stands between white space. Which of both it is, `predictions.parquet` tells; lengths by group stand in the fairness
report.
"""

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import TextOutputs


def statistics(outputs: TextOutputs) -> np.ndarray:
    answers, references = (
        np.array([len(text.split()) for text in texts], float) for texts in (outputs.answers, outputs.references)
    )
    return np.stack([np.abs(answers - references), references], axis=1)


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


METRIC = Metric("length_error", "Length error", "generation", 0.0, float("inf"), False, 8, statistics, score)
