"""Differentially private gradients: DP-SGD (Abadi et al., arXiv:1607.00133, algorithm 1).

Each step takes every unit (a record, or all records of a person) with the same probability, independently of the
others, as the accountant assumes. Units go through the model one at a time: no record shares a pass with another,
whatever the architecture, so a unit's gradient depends on its own tokens only. It is clipped, gradients are summed,
noise is added to the sum.

Covered: the trained weights, against somebody who sees the weights after every step. Not covered: everything beside the
weights (loss curves, counts, reports, the list of labels), and rounding of floating-point noise (Mironov, CCS 2012).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ft_platform.training import processes
from ft_platform.training.batches import Row
from ft_platform.training.lora import trainable
from ft_platform.training.objectives import Objective
from ft_platform.training.privacy_budget import PrivacyBudget, privacy_budget
from ft_platform.training.secret_draws import SecretDraws
from ft_platform.use_case.settings.training import Training


def units_of(rows: Sequence[Row]) -> list[list[int]]:
    """Places of the rows that are protected together, in the order of their first ones. A row of no person stands for
    itself."""
    found: dict[Any, list[int]] = {}
    for place, row in enumerate(rows):
        found.setdefault(row.person or place, []).append(place)
    return list(found.values())


def budget_of(rows: Sequence[Row], steps: int, training: Training) -> PrivacyBudget:
    """What a training on these rows promises.

    Raises:
        ConfigError, MissingExtra: as `privacy_budget`.
    """
    return privacy_budget([len(unit) for unit in units_of(rows)], any(row.person for row in rows), steps, training)


class PrivateGradients:
    """The gradients of one training.

    Args:
        rows: training rows.
        secret: of this training (`secret_draws.new_secret`); the same one gives the same samples and noise again.
    """

    def __init__(self, rows: Sequence[Row], budget: PrivacyBudget, secret: str) -> None:
        self.units, self.budget, self.draws = units_of(rows), budget, SecretDraws(secret)

    def order(self, done: int) -> Iterator[list[int]]:
        """Row numbers of each step after `done` steps, for ever; a step may be empty."""
        step = done
        while True:
            step += 1
            taken = self.draws.uniform(step, "sample", len(self.units)) < self.budget.sampling_rate
            yield [place for number in np.flatnonzero(taken) for place in self.units[number]]

    def accumulate(
        self, model: Any, objective: Objective, rows: Sequence[Row], step: int
    ) -> tuple[dict[str, float], int]:
        """Leaves the noisy mean gradient in the trained weights; `loss` (not where the step is empty) and
        `clipped_share`, and the tokens computed."""
        model.train()
        weights = trainable(model)
        units = [[rows[place] for place in unit] for unit in units_of(rows)]
        sums = {name: torch.zeros_like(p) for name, p in weights.items()}
        loss, tokens, clipped = 0.0, 0, 0
        for unit in processes.own_share(units):
            loss += _backward(model, objective, unit)
            clipped += add_clipped(sums, weights, self.budget.max_grad_norm)
            tokens += sum(objective.shared_tokens + objective.length(row) for row in unit)
        for name, parameter in weights.items():
            parameter.grad = sums[name]
        processes.sum_gradients(weights.values())
        self._add_noise(weights, step)
        loss, tokens, clipped = processes.summed(loss, tokens, clipped)
        figures = {"loss": loss / objective.weight(rows), "clipped_share": clipped / len(units)} if units else {}
        return figures, int(tokens)

    def _add_noise(self, weights: dict[str, torch.nn.Parameter], step: int) -> None:
        """The sum of clipped gradients becomes a noisy mean. The divisor is the expected number of units: the real one
        is a secret of the records."""
        deviation = self.budget.noise_multiplier * self.budget.max_grad_norm
        for name, parameter in weights.items():
            assert parameter.grad is not None
            noise = (
                torch.from_numpy(self.draws.normal(step, name, parameter.numel()))
                .to(parameter.dtype)
                .view_as(parameter)
            )
            parameter.grad.add_(noise.to(parameter.device), alpha=deviation).div_(self.budget.expected_units)


def _backward(model: Any, objective: Objective, unit: Sequence[Row]) -> float:
    """Gradient of the mean over the unit's records of their mean loss per supervised token; the sum of their losses."""
    total = 0.0
    for row in unit:
        loss = objective.loss(model, [row])
        (loss / (objective.weight([row]) * len(unit))).backward()
        total += float(loss.detach())
    return total


def add_clipped(sums: dict[str, torch.Tensor], weights: dict[str, torch.nn.Parameter], max_norm: float) -> bool:
    """Adds the present gradient to `sums`, scaled down to `max_norm` if it is longer, and removes it from `weights`;
    whether it was scaled.

    A gradient that is not finite stays so, and ends the training.
    """
    found = {name: p.grad for name, p in weights.items() if p.grad is not None}
    norm = float(torch.nn.utils.get_total_norm(found.values()))
    factor = 1.0 if norm <= max_norm else max_norm / (norm + 1e-6)
    for name, gradient in found.items():
        sums[name].add_(gradient, alpha=factor)
        weights[name].grad = None
    return norm > max_norm
