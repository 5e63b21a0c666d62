"""Of the records given a label, the share that has it; mean over labels, each counting the same."""

import numpy as np

from ft_platform.evaluation.label_counts import label_statistics, mean_over_present, precision_recall_f1
from ft_platform.evaluation.metric import Metric


def score(sums: np.ndarray) -> np.ndarray:
    precision, _, _, support = precision_recall_f1(sums)
    return mean_over_present(precision, support)


METRIC = Metric("macro_precision", "Macro precision", "classification", 0.0, 1.0, True, 2, label_statistics, score)
