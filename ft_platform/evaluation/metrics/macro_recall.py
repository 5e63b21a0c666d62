"""Of the records that have a label, the share that was given it; mean over labels, each counting the same."""

import numpy as np

from ft_platform.evaluation.label_counts import label_statistics, mean_over_present, precision_recall_f1
from ft_platform.evaluation.metric import Metric


def score(sums: np.ndarray) -> np.ndarray:
    _, recall, _, support = precision_recall_f1(sums)
    return mean_over_present(recall, support)


METRIC = Metric("macro_recall", "Macro recall", "classification", 0.0, 1.0, True, 3, label_statistics, score)
