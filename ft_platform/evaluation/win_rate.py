"""Whether training on pairs of answers moved a model towards what people prefer: its win rate over the base model."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ft_platform.evaluation.intervals import interval, resampled_sums
from ft_platform.evaluation.outputs import Outputs, TextOutputs
from ft_platform.use_case.settings.evaluation import Evaluation

BASE = "base_zero_shot"
TRAINED = ("champion", "fine_tuned")


def win_rates(outputs: Mapping[str, Outputs], settings: Evaluation) -> dict[str, dict[str, Any]]:
    """For each trained system, on how many pairs its implicit reward puts the preferred answer first.

    The implicit reward of an answer is its log-probability under the system minus that under the base model (Rafailov
    et al., arXiv:2305.18290, eq. 5; the factor beta changes no order). A tie counts half, so that a model that equals
    the base model has 0.5.

    Returns:
        `{system: {"value", "low", "high", "pairs"}}`; empty where there are no pairs.
    """
    base = outputs.get(BASE)
    if not isinstance(base, TextOutputs) or not len(base.pairs):
        return {}
    found = {}
    for system in TRAINED:
        tuned = outputs.get(system)
        if not isinstance(tuned, TextOutputs) or not len(tuned.pairs):
            continue
        gained = margins(tuned) - margins(base)
        wins = np.where(gained > 0, 1.0, np.where(gained == 0, 0.5, 0.0))
        draws = resampled_sums(wins[:, None], settings.bootstrap_samples, settings.seed)[:, 0] / len(wins)
        found[system] = {**interval(float(wins.mean()), draws, settings.confidence), "pairs": len(wins)}
    return found


def margins(outputs: TextOutputs) -> np.ndarray:
    """Log-probability of the preferred answer minus that of the other, for each pair. Shape `(pairs,)`."""
    return outputs.rejected_loss_sums[outputs.pairs] - outputs.loss_sums[outputs.pairs]
