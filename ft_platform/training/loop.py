"""The training loop: AdamW on the trainable weights, early stop on the validation loss, the best weights kept.

It can be killed at any moment: with `states` it saves all that the next step depends on, and a later call goes on from the
last saved state to the same weights, bit for bit on a CPU with the same number of threads.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from ft_platform import progress
from ft_platform.errors import NanLoss, Preempted, TrainingFailed
from ft_platform.models.packed_forward import batches_of
from ft_platform.training import processes, sharding
from ft_platform.training.batches import training_order
from ft_platform.training.gpu import GpuMeter
from ft_platform.training.lora import learning_rate_factor, trainable
from ft_platform.training.memory import memory_errors, peak_gib
from ft_platform.training.objectives import Objective
from ft_platform.training.run import TrainingRun
from ft_platform.training.state import States, hardware
from ft_platform.use_case import Training

STAGE = "adapter_checkpoint"
OnStep = Callable[[int, dict[str, float]], None]
Limit = Callable[[TrainingRun], TrainingFailed | None]


def planned_steps(rows: int, training: Training) -> tuple[int, int]:
    """Optimizer steps in all, and between two validations."""
    per_epoch = math.ceil(rows / training.batch_rows)
    steps = max(1, round(training.epochs * per_epoch))
    return min(steps, training.max_steps or steps), max(1, round(per_epoch / training.validations_per_epoch))


def train(
    model: Any,
    objective: Objective,
    rows: Sequence[Any],
    validation: Sequence[Any],
    training: Training,
    on_step: OnStep = lambda step, values: None,
    states: States | None = None,
    limit: Limit = lambda run: None,
) -> TrainingRun:
    """Trains the trainable weights of `model` and leaves the best ones in it; where they are divided between processes, in `TrainingRun.best` only.

    Args:
        model: from `add_adapter`.
        objective: the loss.
        rows, validation: the two sides of the split, of the objective's kind.
        on_step: called with each point of the curve, those of earlier attempts first.
        states: where states are saved and found; without it a killed training starts again.
        limit: asked after each step whether to end early, and why.

    Raises:
        NanLoss: the loss or a gradient became NaN or infinite.
        OutOfMemory: with the setting to lower.
        TrainingFailed: what `limit` answered; the state was saved.
    """
    weights = trainable(model)
    optimizer = torch.optim.AdamW(weights.values(), lr=training.learning_rate, weight_decay=training.weight_decay)
    steps, interval = planned_steps(len(rows), training)
    processes.draw_apart(training.seed)
    run = (states.restore(weights, optimizer) if states else None) or TrainingRun(steps)
    run.gpu = GpuMeter(model.device)
    run.attempts.append({"from_step": run.step, **hardware(model.device)})
    began = time.monotonic() - run.seconds

    def record(point: dict[str, float], validate: bool) -> None:
        run.step = int(point["step"])
        if validate:
            point["validation_loss"] = validation_loss(model, objective, validation, training)
            _require_finite("validation loss", point["validation_loss"], run.step, run, training)
            if run.step:
                run.misses = 0 if _keep_if_best(run, point["validation_loss"], weights) else run.misses + 1
        run.seconds = time.monotonic() - began
        run.stopped_early = run.misses >= training.patience and run.step < steps
        run.curve.append(point)
        on_step(run.step, point)

    with memory_errors(training):
        for point in run.curve:
            on_step(int(point["step"]), point)
        if not run.curve:
            record({"step": 0}, validate=True)
        for batch in itertools.islice(training_order(len(rows), training.batch_rows, training.seed), run.step, None):
            if run.finished:
                break
            step = run.step + 1
            rate = training.learning_rate * learning_rate_factor(step - 1, steps, training)
            point = _optimizer_step(model, objective, [rows[n] for n in batch], training, optimizer, rate, run, step)
            record({**point, **run.gpu.read()}, validate=step % interval == 0 or step == steps)
            _report(run, run.curve[-1])
            reason, save = _end_or_save(run, limit, states)
            if states and save:
                states.save(run, weights, optimizer)
            if reason:
                raise reason
    if not sharding.is_divided(weights):
        with torch.no_grad():
            for name, value in run.best.items():
                weights[name].copy_(value)
    model.eval()
    return run


def _end_or_save(run: TrainingRun, limit: Limit, states: States | None) -> tuple[TrainingFailed | None, bool]:
    """Why training ends now, if it does, and whether to save its state; the same answer in all processes."""
    if run.finished:
        return None, False
    reason = limit(run)
    ending, due = processes.summed(reason is not None, states is not None and states.due(run))
    if ending and reason is None:
        reason = Preempted(f"another process of this training was asked to stop after step {run.step}; the state was saved", "Run it again")
    return reason, bool(ending or due)


def _optimizer_step(
    model: Any, objective: Objective, rows: Sequence[Any], training: Training, optimizer: torch.optim.Optimizer, rate: float, run: TrainingRun, step: int
) -> dict[str, float]:
    """One step on `rows` with learning rate `rate`; its point of the curve."""
    begun = time.monotonic()
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss, tokens = _accumulate(model, objective, rows, training)
    _require_finite("loss", loss, step, run, training)
    norm = float(sharding.whole(torch.nn.utils.clip_grad_norm_(trainable(model).values(), training.max_grad_norm)))
    _require_finite("gradient norm", norm, step, run, training)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    run.tokens += tokens
    return {"step": step, "loss": loss, "learning_rate": rate, "gradient_norm": norm, "tokens_per_second": round(tokens / (time.monotonic() - begun), 1)}


def _accumulate(model: Any, objective: Objective, rows: Sequence[Any], training: Training) -> tuple[float, int]:
    """Gradients of the mean loss over `rows` (per supervised token, pair or record), in micro-batches; the mean loss and the tokens computed."""
    model.train()
    weight, divided = objective.weight(rows), sharding.is_divided(trainable(model))
    loss, tokens = 0.0, 0
    for micro, counts in _own_micro_batches(rows, objective, training, divided):
        part = objective.loss(model, micro) * (counts / weight)
        part.backward()
        loss += float(part.detach())
        tokens += objective.shared_tokens + sum(map(objective.length, micro))
    if not divided:
        processes.sum_gradients(trainable(model).values())
    loss, all_tokens = processes.summed(loss, tokens)
    return loss, int(all_tokens)


def validation_loss(model: Any, objective: Objective, rows: Sequence[Any], training: Training) -> float:
    """Mean loss per supervised token, pair or record, without dropout."""
    model.eval()
    with torch.no_grad():
        micros = _own_micro_batches(rows, objective, training, sharding.is_divided(trainable(model)))
        own = sum(float(objective.loss(model, micro)) * counts for micro, counts in micros)
    return processes.summed(own)[0] / objective.weight(rows)


def _own_micro_batches(rows: Sequence[Any], objective: Objective, training: Training, divided: bool) -> list[tuple[list[Any], int]]:
    """Micro-batches of this process, each with 1. Divided weights are put together by all processes in every pass, so all make equally many: spare
    ones come with 0."""
    of_each = [list(micro_batches(processes.share_of(rows, number), objective, training)) for number in range(processes.count() if divided else 1)]
    own = of_each[processes.number()] if divided else list(micro_batches(processes.own_share(rows), objective, training))
    spare = max(map(len, of_each)) - len(own) if divided else 0
    return [*((micro, 1) for micro in own), *(([min(rows, key=objective.length)], 0) for _ in range(spare))]


def micro_batches(rows: Sequence[Any], objective: Objective, training: Training) -> Iterator[list[Any]]:
    """`rows` in their order, as many at once as `training.micro_batch_tokens` holds (one at least)."""
    room = max(training.micro_batch_tokens - objective.shared_tokens, 1)
    for numbers in batches_of([objective.length(row) for row in rows], room):
        yield [rows[number] for number in numbers]


def _require_finite(what: str, value: float, step: int, run: TrainingRun, training: Training) -> None:
    if math.isfinite(value):
        return
    good = next((p for p in reversed(run.curve) if "loss" in p), None)
    last = f"the last finite loss was {good['loss']:.4g} at step {int(good['step'])}" if good else "no step before had a finite loss"
    raise NanLoss(
        f"the {what} became {value} at step {step} of {run.steps}; {last}; nothing was published",
        f"Lower training.learning_rate (now {training.learning_rate:g}) and run again; the saved state of this training leads to the same step",
    )


def _keep_if_best(run: TrainingRun, loss: float, weights: dict[str, torch.nn.Parameter]) -> bool:
    if not loss < run.best_loss:
        return False
    run.best_loss, run.best_step = loss, run.step
    best = ((name, sharding.whole(p.detach())) for name, p in weights.items())
    run.best = {name: p.to("cpu", copy=True) for name, p in best if processes.is_first() or not sharding.is_divided(weights)}
    return True


def _report(run: TrainingRun, point: dict[str, float]) -> None:
    if not processes.is_first():
        return
    left = 0.0 if run.stopped_early else run.seconds / run.step * (run.steps - run.step)
    fields = {name: value for name, value in point.items() if name not in ("step", "gradient_norm")}
    progress.report(STAGE, run.step, run.steps, "steps", **fields, memory_gib=round(peak_gib(), 2), seconds_left=round(left))
