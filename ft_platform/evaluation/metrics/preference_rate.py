"""Share of pairs whose preferred answer is the more probable one. A tie is no hit.

Log-probabilities of whole answers, as DPO compares them (Rafailov et al., arXiv:2305.18290). Pairs are the test records
with a second answer that people like less.
"""

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import TextOutputs


def statistics(outputs: TextOutputs) -> np.ndarray:
    """Shape `(pairs, 2)`."""
    pairs = outputs.pairs
    return np.stack([outputs.loss_sums[pairs] < outputs.rejected_loss_sums[pairs], np.ones(len(pairs))], axis=1).astype(
        float
    )


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def has_pairs(outputs: TextOutputs) -> bool:
    return outputs.has_losses and len(outputs.pairs) > 0


METRIC = Metric(
    "preference_rate", "Prefers what people prefer", "generation", 0.0, 1.0, True, -6, statistics, score, has_pairs
)
