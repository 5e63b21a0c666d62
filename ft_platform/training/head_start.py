"""Where a label head starts: at a ridge regression on the base model's states of the training records, which tells the
labels apart as well as frozen states can. The steps after it begin there and not at chance (linear probing, then
fine-tuning: Kumar et al., arXiv:2202.10054)."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from ft_platform.models.label_head import LabelHead, head_of
from ft_platform.process import progress
from ft_platform.settings.training import Training
from ft_platform.training import processes
from ft_platform.training.batches import Row
from ft_platform.training.loop import micro_batches
from ft_platform.training.objectives import LabelLoss

STRENGTHS = (0.01, 0.1, 1.0, 10.0)
"""Ridge penalties, in units of the mean variance of a state's features."""
SCALES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""A regression on 0 and 1 gives small scores; times one of these, their softmax has the lowest loss."""
FOLDS, COMPARED = 5, 2000
STAGE = "adapter_checkpoint"


def start_label_head(model: Any, objective: LabelLoss, rows: Sequence[Row], training: Training) -> None:
    """Gives the head the weights of the regression, the same in all processes. All labels count as much as another,
    however many records they have.

    Penalty and scale are those with the lowest loss in cross-validation among (at most `COMPARED`) training records, so
    that validation records stay unseen and can tell whether the steps after this one help. Memory: the states of those
    records, and the square of a state's width."""
    head = head_of(model)
    assert head is not None
    rows = balanced(rows)
    total = _Sums(head.in_features, head.out_features)
    compared: list[tuple[torch.Tensor, list[Row]]] = []
    held = 0
    with _states_in_place_of_scores(model, head):
        model.eval()
        for micro in micro_batches(rows, objective, training):
            with torch.no_grad():
                states = objective.scores(model, micro).cpu().double()
            total.add(states, micro)
            if held < COMPARED:
                compared.append((states, micro))
            held += len(micro)
            progress.report(STAGE, held, len(rows), "records seen by the base model")
    states, known = torch.cat([states for states, _ in compared]), [row for _, micro in compared for row in micro]
    best = _best_ridge(total, states, known, training.label_smoothing)
    with torch.no_grad():
        head.weight.copy_(processes.gathered(best.float())[0])


def balanced(rows: Sequence[Row]) -> list[Row]:
    """Rows whose labels have the same weight in all, and a mean weight as before."""
    sums: dict[int, float] = {}
    for row in rows:
        sums[row.targets[0]] = sums.get(row.targets[0], 0.0) + row.weight
    mean = sum(sums.values()) / len(sums)
    return [replace(row, weight=row.weight * mean / sums[row.targets[0]]) for row in rows]


def _best_ridge(total: "_Sums", states: torch.Tensor, rows: list[Row], smoothing: float) -> torch.Tensor:
    if len(rows) < FOLDS:  # too few to compare anything on
        return total.ridge(1.0)
    truth = torch.tensor([row.targets[0] for row in rows])
    losses = dict.fromkeys(itertools.product(STRENGTHS, SCALES), 0.0)
    for fold in range(FOLDS):
        left_out = slice(fold, None, FOLDS)
        others = total.without(states[left_out], rows[left_out])
        for strength in STRENGTHS:
            scores = states[left_out] @ others.ridge(strength).T
            for scale in SCALES:
                losses[strength, scale] += float(
                    torch.nn.functional.cross_entropy(
                        scores * scale, truth[left_out], reduction="sum", label_smoothing=smoothing
                    )
                )
    strength, scale = min(losses, key=losses.__getitem__)
    return total.ridge(strength) * scale


class _Sums:
    """What a ridge regression needs of all rows, so that no more than one batch is held."""

    def __init__(self, width: int, labels: int) -> None:
        self.weight, self.states = 0.0, torch.zeros(width).double()
        self.squares = torch.zeros(width, width).double()
        self.products = torch.zeros(width, labels).double()

    def add(self, states: torch.Tensor, rows: Sequence[Row]) -> None:
        weights = torch.tensor([row.weight for row in rows]).double()[:, None]
        known = torch.nn.functional.one_hot(
            torch.tensor([row.targets[0] for row in rows]), self.products.shape[1]
        ).double()
        self.weight += float(weights.sum())
        self.states += (states * weights).sum(0)
        self.squares += states.T @ (states * weights)
        self.products += states.T @ (known * weights)

    def without(self, states: torch.Tensor, rows: Sequence[Row]) -> "_Sums":
        """As if these rows had never been added."""
        part, rest = _Sums(*self.products.shape), _Sums(*self.products.shape)
        part.add(states, rows)
        for name, value in vars(self).items():
            setattr(rest, name, value - getattr(part, name))
        return rest

    def ridge(self, strength: float) -> torch.Tensor:
        """Weights of the regression of labels on states. Shape `(labels, width)`. It has no intercept, as the head has
        none: what states have in common stands for it."""
        moments = self.squares / self.weight
        variance = moments.diagonal().mean() - (self.states / self.weight).square().mean()
        # Prompts that are all alike have no variance; the system must have a solution still.
        variance = variance.clamp(min=1e-6 * float(moments.diagonal().mean()))
        penalty = strength * variance * torch.eye(len(moments)).double()
        return torch.linalg.solve(moments + penalty, self.products / self.weight).T


@contextmanager
def _states_in_place_of_scores(model: Any, head: LabelHead) -> Iterator[None]:
    """While it is open the head gives what it gets."""
    weight = head.weight
    head.weight = torch.nn.Parameter(torch.eye(head.in_features, device=weight.device), requires_grad=False)
    try:
        yield
    finally:
        head.weight = weight
