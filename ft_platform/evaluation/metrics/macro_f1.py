"""Harmonic mean of precision and recall per label; mean over labels, each counting the same."""

import numpy as np

from ft_platform.evaluation.label_counts import label_statistics, mean_over_present, precision_recall_f1
from ft_platform.evaluation.metric import Metric


def score(sums: np.ndarray) -> np.ndarray:
    _, _, f1, support = precision_recall_f1(sums)
    return mean_over_present(f1, support)


METRIC = Metric("macro_f1", "Macro F1", "classification", 0.0, 1.0, True, 0, label_statistics, score)
