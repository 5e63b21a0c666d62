"""The training loop: AdamW on the adapter weights, early stop on the validation loss, the best adapter kept."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ft_platform import progress
from ft_platform.errors import NanLoss
from ft_platform.models.packed_attention import Segment
from ft_platform.models.packed_forward import batches_of
from ft_platform.training.batches import Forward, Row, training_order
from ft_platform.training.gpu import GpuMeter
from ft_platform.training.lora import learning_rate_factor, trainable
from ft_platform.training.memory import memory_errors, peak_gib
from ft_platform.use_case import Training

STAGE = "adapter_checkpoint"
OnStep = Callable[[int, dict[str, float]], None]


@dataclass
class TrainingRun:
    """Course and result of one training.

    Attributes:
        curve: per optimizer step loss, learning rate and tokens per second; the validation loss where it was measured.
        best: adapter weights with the lowest validation loss, on the CPU.
        best_step: optimizer step after which they were taken.
        stopped_early: whether `patience` ran out before all steps were done.
        gpu: measures the device; its figures are in the curve as well.
    """

    steps: int
    curve: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    best_loss: float = math.inf
    best_step: int = 0
    stopped_early: bool = False
    seconds: float = 0.0
    tokens: int = 0
    gpu: GpuMeter = field(default_factory=GpuMeter)

    def metrics(self) -> dict[str, float]:
        """Figures for the manifest and the tracker."""
        validation = [p["validation_loss"] for p in self.curve if "validation_loss" in p]
        return {
            "validation_loss": self.best_loss,
            "validation_loss_before": validation[0],
            "train_loss": self.curve[-1]["loss"],
            "best_step": self.best_step,
            "steps": int(self.curve[-1]["step"]),
            "tokens": self.tokens,
            "tokens_per_second": round(self.tokens / self.seconds, 1),
            "peak_memory_gib": round(peak_gib(), 3),
            **self.gpu.means(),
        }


def planned_steps(rows: int, training: Training) -> tuple[int, int]:
    """Optimizer steps in all, and between two validations."""
    per_epoch = math.ceil(rows / training.batch_rows)
    steps = max(1, round(training.epochs * per_epoch))
    return min(steps, training.max_steps or steps), max(1, round(per_epoch / training.validations_per_epoch))


def train(
    model: Any,
    forward: Forward,
    prefix: list[int],
    rows: Sequence[Row],
    validation: Sequence[Row],
    training: Training,
    on_step: OnStep = lambda step, values: None,
) -> TrainingRun:
    """Trains the adapter weights of `model` and leaves the best ones in it.

    Args:
        model: peft model from `add_adapter`.
        forward: `packed_forward` or `padded_forward`.
        prefix: token ids all rows start with.
        rows, validation: the two sides of the split.
        on_step: called with each point of the curve.

    Raises:
        NanLoss: the loss or a gradient became NaN or infinite.
        OutOfMemory: with the setting to lower.
    """
    weights = trainable(model)
    optimizer = torch.optim.AdamW(weights.values(), lr=training.learning_rate, weight_decay=training.weight_decay)
    steps, interval = planned_steps(len(rows), training)
    run = TrainingRun(steps, gpu=GpuMeter(model.device))
    started = time.monotonic()
    misses = 0

    def record(point: dict[str, float], validate: bool) -> None:
        nonlocal misses
        step = int(point["step"])
        if validate:
            point["validation_loss"] = validation_loss(model, forward, prefix, validation, training)
            _require_finite("validation loss", point["validation_loss"], step, run, training)
            if step:
                misses = 0 if _keep_if_best(run, step, point["validation_loss"], weights) else misses + 1
        run.seconds = time.monotonic() - started
        run.stopped_early = misses >= training.patience and step < steps
        run.curve.append(point)
        on_step(step, point)

    with memory_errors(training.micro_batch_tokens, training.max_length):
        record({"step": 0}, validate=True)
        for step, batch in enumerate(training_order(len(rows), training.batch_rows, training.seed), start=1):
            rate = training.learning_rate * learning_rate_factor(step - 1, steps, training)
            point = _optimizer_step(model, forward, prefix, [rows[n] for n in batch], training, optimizer, rate, run, step)
            record({**point, **run.gpu.read()}, validate=step % interval == 0 or step == steps)
            _report(run, run.curve[-1])
            if run.stopped_early or step == steps:
                break
    with torch.no_grad():
        for name, value in run.best.items():
            weights[name].copy_(value)
    model.eval()
    return run


def _optimizer_step(
    model: Any,
    forward: Forward,
    prefix: list[int],
    rows: Sequence[Row],
    training: Training,
    optimizer: torch.optim.Optimizer,
    rate: float,
    run: TrainingRun,
    step: int,
) -> dict[str, float]:
    """One step on `rows` with learning rate `rate`; its point of the curve."""
    begun = time.monotonic()
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss, tokens = _accumulate(model, forward, prefix, rows, training)
    _require_finite("loss", loss, step, run, training)
    norm = float(torch.nn.utils.clip_grad_norm_(trainable(model).values(), training.max_grad_norm))
    _require_finite("gradient norm", norm, step, run, training)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    run.tokens += tokens
    return {"step": step, "loss": loss, "learning_rate": rate, "gradient_norm": norm, "tokens_per_second": round(tokens / (time.monotonic() - begun), 1)}


def _accumulate(model: Any, forward: Forward, prefix: list[int], rows: Sequence[Row], training: Training) -> tuple[float, int]:
    """Gradients of the mean loss per supervised token over `rows`, in micro-batches; the mean loss and the tokens computed."""
    model.train()
    supervised = sum(len(row.targets) for row in rows)
    loss, tokens = 0.0, 0
    for micro in _micro_batches(rows, prefix, training):
        part = summed_loss(model, forward, prefix, micro) / supervised
        part.backward()
        loss += float(part.detach())
        tokens += len(prefix) + sum(len(row.ids) for row in micro)
    return loss, tokens


def validation_loss(model: Any, forward: Forward, prefix: list[int], rows: Sequence[Row], training: Training) -> float:
    """Mean loss per supervised token, without dropout."""
    model.eval()
    with torch.no_grad():
        total = sum(float(summed_loss(model, forward, prefix, micro)) for micro in _micro_batches(rows, prefix, training))
    return total / sum(len(row.targets) for row in rows)


def summed_loss(model: Any, forward: Forward, prefix: list[int], rows: Sequence[Row]) -> torch.Tensor:
    """Sum of the cross entropies of all supervised tokens, float32."""
    segments = [Segment(row.ids) for row in rows]
    keep = [(number, place) for number, row in enumerate(rows) for place in row.places]
    targets = torch.tensor([target for row in rows for target in row.targets], device=model.device)
    return torch.nn.functional.cross_entropy(forward(model, segments, prefix, keep).float(), targets, reduction="sum")


def _micro_batches(rows: Sequence[Row], prefix: list[int], training: Training) -> Iterator[list[Row]]:
    room = max(training.micro_batch_tokens - len(prefix), 1)
    for numbers in batches_of([len(row.ids) for row in rows], room):
        yield [rows[number] for number in numbers]


def _require_finite(what: str, value: float, step: int, run: TrainingRun, training: Training) -> None:
    if math.isfinite(value):
        return
    good = next((p for p in reversed(run.curve) if "loss" in p), None)
    last = f"the last finite loss was {good['loss']:.4g} at step {int(good['step'])}" if good else "no step before had a finite loss"
    raise NanLoss(
        f"the {what} became {value} at step {step} of {run.steps}; {last}; nothing was published",
        f"Lower training.learning_rate (now {training.learning_rate:g})",
    )


def _keep_if_best(run: TrainingRun, step: int, loss: float, weights: dict[str, torch.nn.Parameter]) -> bool:
    if not loss < run.best_loss:
        return False
    run.best_loss, run.best_step = loss, step
    run.best = {name: p.detach().to("cpu", copy=True) for name, p in weights.items()}
    return True


def _report(run: TrainingRun, point: dict[str, float]) -> None:
    step = int(point["step"])
    left = 0.0 if run.stopped_early else run.seconds / step * (run.steps - step)
    fields = {name: value for name, value in point.items() if name not in ("step", "gradient_norm")}
    progress.report(STAGE, step, run.steps, "steps", **fields, memory_gib=round(peak_gib(), 2), seconds_left=round(left))
