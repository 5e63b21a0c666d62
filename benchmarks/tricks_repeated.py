"""Tricks of `benchmarks/recipe_tricks.py` for which the same records are trained several times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
from peft.tuners.lora.layer import LoraLayer

from benchmarks.tricks import OnStep, as_it_is, put
from ft_platform.models.kernels.fused_lora import fuse
from ft_platform.training.batches import Row
from ft_platform.training.loop import micro_batches, trainable
from ft_platform.training.objectives import LabelLoss
from ft_platform.training.prepare import fit
from ft_platform.training.prepared import Prepared

SEEDS = 3
Weights = dict[str, torch.Tensor]
Others = dict[str, list[Callable[[], None]]]
"""What else is scored: name -> what to call before each score; the mean of them is kept."""


def three_seeds(prepared: Prepared, on_step: OnStep) -> tuple[Any, Others]:
    """The mean of the weight updates of three trainings with other seeds (model soup, arXiv:2203.05482, where adapters
    start apart); for labels also each of the three `alone`, and the `ensemble` that computes all of them."""
    run, found = _trainings(prepared, SEEDS)
    others: Others = {"alone": [partial(_use, prepared, weights) for weights in found]}
    if isinstance(prepared.objective, LabelLoss):
        others["ensemble"] = [lambda: setattr(prepared, "objective", _Ensemble(prepared, found))]
    _use(prepared, averaged(found))
    return run, others


def _trainings(prepared: Prepared, count: int, told: OnStep = lambda step, values: None) -> tuple[Any, list[Weights]]:
    """The first run, and the kept weights of each training: the first is the platform's own, the others have other
    seeds for the start of their adapters and for their order."""
    start, found, first = _now(prepared), [], None
    for number in range(count):
        put(prepared, start)
        if number:
            torch.manual_seed(prepared.training.seed + number)
            for layer in _adapters(prepared.model):
                layer.reset_lora_parameters("default", True)
        training = prepared.training.model_copy(update={"seed": prepared.training.seed + number})
        run = fit(prepared, training, on_step=told)
        first = first or run
        found.append(_now(prepared))
    return first, found


def _now(prepared: Prepared) -> Weights:
    return {name: weight.detach().clone() for name, weight in trainable(prepared.model).items()}


def averaged(found: Sequence[Weights]) -> Weights:
    """Weights of adapters whose update is the mean of the updates, not the product of means: the ranks side by side."""
    return {
        name: torch.cat([one[name] for one in found], 0)
        if ".lora_A." in name
        else torch.cat([one[name] for one in found], 1) / len(found)
        if ".lora_B." in name
        else torch.stack([one[name] for one in found]).mean(0)
        for name in found[0]
    }


def _use(prepared: Prepared, weights: Weights) -> None:
    """Puts weights of any rank into the model."""
    for name, weight in trainable(prepared.model).items():
        weight.data = weights[name].clone()
    for layer in _adapters(prepared.model):  # a fused forward has room for one rank
        vars(layer).pop("forward", None)
    fuse(prepared.model)


def _adapters(model: Any) -> list[Any]:
    return [layer for layer in model.modules() if isinstance(layer, LoraLayer)]


class _Ensemble(LabelLoss):
    """Scores are the mean of the log-probabilities with each of several weights."""

    def __init__(self, prepared: Prepared, found: Sequence[Weights]) -> None:
        old = prepared.objective
        super().__init__(old.forward, old.prefix, old.smoothing)
        _use(prepared, found[0])
        self.each = [partial(put, prepared, weights) for weights in found]

    def scores(self, model: Any, rows: Any) -> torch.Tensor:
        told = []
        for use in self.each:
            use()
            told.append(torch.log_softmax(super().scores(model, rows), dim=1))
        return torch.stack(told).mean(0)


@dataclass(frozen=True)
class SoftRow(Row):
    """A row with the probability that it should give to each label."""

    soft: torch.Tensor | None = None


class SoftLabels(LabelLoss):
    """Rows that have probabilities learn them; others their label."""

    def loss(self, model: Any, rows: Any) -> torch.Tensor:
        return self._losses(self.scores(model, rows), rows)

    def _losses(self, scores: torch.Tensor, rows: Any) -> torch.Tensor:
        if not isinstance(rows[0], SoftRow):
            return super()._losses(scores, rows)
        wanted, weights = torch.stack([row.soft for row in rows]), torch.tensor([row.weight for row in rows])
        losses = torch.nn.functional.cross_entropy(scores, wanted, reduction="none", label_smoothing=self.smoothing)
        return (losses * weights).sum()


def half_soft(scores: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Probabilities that are half those of the scores and half the label, `(rows, labels)`."""
    return (torch.softmax(scores, dim=1) + torch.nn.functional.one_hot(truth, scores.shape[1])) / 2


def learned_from(count: int) -> Callable[[Prepared, OnStep], Any]:
    """A further training, which learns half from the labels and half from what `count` trainings with other seeds say
    of the same records (born-again networks, arXiv:1805.04770)."""

    def changed(prepared: Prepared, on_step: OnStep) -> Any:
        start, old = _now(prepared), prepared.objective
        _, found = _trainings(prepared, count)
        teacher, soft = _Ensemble(prepared, found), []
        prepared.model.eval()
        with torch.no_grad():
            for micro in micro_batches(prepared.rows, old, prepared.training):
                truth = torch.tensor([row.targets[0] for row in micro])
                soft += half_soft(teacher.scores(prepared.model, micro), truth)
        prepared.rows = [
            SoftRow(**{one.name: getattr(row, one.name) for one in fields(row)}, soft=probabilities)
            for row, probabilities in zip(prepared.rows, soft, strict=True)
        ]
        prepared.objective = SoftLabels(old.forward, old.prefix, old.smoothing)
        put(prepared, start)
        return as_it_is(prepared, on_step)

    return changed
