"""exp(answer loss): among how many equally likely tokens the model seems to choose at each token of the reference."""

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.metrics.answer_loss import has_losses, statistics


def score(sums: np.ndarray) -> np.ndarray:
    return np.exp(sums[..., 0] / sums[..., 1])


METRIC = Metric("perplexity", "Perplexity", "generation", 1.0, float("inf"), False, 1, statistics, score, has_losses)
