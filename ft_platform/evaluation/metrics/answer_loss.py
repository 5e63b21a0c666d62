"""Mean negative log-probability of a reference token, in nats: how surprising the reference is to the model."""

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import TextOutputs


def statistics(outputs: TextOutputs) -> np.ndarray:
    return np.stack([outputs.loss_sums, outputs.tokens], axis=1).astype(float)


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def has_losses(outputs: TextOutputs) -> bool:
    return outputs.has_losses


METRIC = Metric("answer_loss", "Answer loss", "generation", 0.0, float("inf"), False, 0, statistics, score, has_losses)
