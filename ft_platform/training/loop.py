"""The training loop: AdamW on the trainable weights, early stop on what validation records say (their loss, or the
task's metric: `training.keep`), the best weights kept. With differential privacy all steps are made and the last
weights kept: a choice by validation would depend on validation records without any noise.

It can be killed at any moment: with `states` it saves all that the next step depends on, and a later call goes on from
the last saved state to the same weights, bit for bit on a CPU with the same number of threads.
"""

import itertools
import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from ft_platform.errors import NanLoss, Preempted, TrainingFailed
from ft_platform.models.kernels.own_kernels import kernels_kept
from ft_platform.models.kernels.packed_forward import batches_of
from ft_platform.process import progress
from ft_platform.training import processes, sharding
from ft_platform.training.batches import training_order
from ft_platform.training.gpu import GpuMeter
from ft_platform.training.lora import learning_rate_factor, trainable
from ft_platform.training.memory import memory_errors, peak_gib
from ft_platform.training.objectives import Objective
from ft_platform.training.private_gradients import PrivateGradients, budget_of
from ft_platform.training.run import TrainingRun
from ft_platform.training.secret_draws import new_secret
from ft_platform.training.state import States, hardware
from ft_platform.use_case.settings.training import Training

STAGE = "adapter_checkpoint"
TELLING = 40
"""Validation records from which on they tell well enough when a model has learned its task."""
OnStep = Callable[[int, dict[str, float]], None]
Limit = Callable[[TrainingRun], TrainingFailed | None]


def planned_steps(rows: int, training: Training) -> tuple[int, int]:
    """Optimizer steps in all, and between two validations; a regression is learned before the first."""
    if not training.makes_steps:
        return 0, 1
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
    order: Iterable[list[int]] | None = None,
) -> TrainingRun:
    """Trains the trainable weights of `model` and leaves the best ones in it; where they are divided between processes,
    in `TrainingRun.best` only.

    Args:
        model: from `add_adapter`.
        objective: the loss.
        rows, validation: the two sides of the split, of the objective's kind.
        on_step: called with each point of the curve, those of earlier attempts first.
        states: where states are saved and found; without it a killed training starts again.
        limit: asked after each step whether to end early, and why.
        order: row numbers of each step, for measurements. Default: shuffled epochs; samples, with differential privacy.

    Raises:
        ConfigError, MissingExtra: differential privacy cannot be promised.
        NanLoss: the loss or a gradient became NaN or infinite.
        OutOfMemory: with the setting to lower.
        TrainingFailed: what `limit` answered; the state was saved.
    """
    with kernels_kept():
        loop = _Loop(model, objective, rows, validation, training, on_step, states, limit, order)
        with memory_errors(training):
            loop.tell_earlier_points()
            loop.validate_before_the_first_step()
            for step, batch in loop.steps_to_come():
                point = loop.optimizer_step(step, batch)
                loop.record(point, validates=loop.validates_after(step))
                loop.save_or_end()
    loop.leave_best_weights()
    model.eval()
    return loop.run


class _Loop:
    """A training between its steps; arguments as of `train`. New, or as it was when its last state was saved."""

    def __init__(
        self,
        model: Any,
        objective: Objective,
        rows: Sequence[Any],
        validation: Sequence[Any],
        training: Training,
        on_step: OnStep,
        states: States | None,
        limit: Limit,
        order: Iterable[list[int]] | None,
    ) -> None:
        self.model, self.objective, self.rows, self.validation, self.training = (
            model,
            objective,
            rows,
            validation,
            training,
        )
        self.on_step, self.states, self.limit, self.given_order = on_step, states, limit, order
        self.weights = sharding.trained_parts(model)
        self.optimizer = torch.optim.AdamW(
            self.weights.values(), lr=training.learning_rate, weight_decay=training.weight_decay
        )
        self.steps, self.interval = planned_steps(len(rows), training)
        processes.draw_apart(training.seed)
        self.run = (states.restore(self.weights, self.optimizer) if states else None) or self._new_run()
        self.private = PrivateGradients(rows, self.run.privacy, self.run.secret) if self.run.privacy else None
        self.run.gpu = GpuMeter(model.device)
        self.run.attempts.append({"from_step": self.run.step, **hardware(model.device)})
        self.began = time.monotonic() - self.run.seconds
        self.step_seconds: deque[float] = deque(maxlen=32)
        self.validation_seconds = 0.0

    def _new_run(self) -> TrainingRun:
        if not self.training.differential_privacy.on:
            return TrainingRun(self.steps)
        secret, *_ = processes.gathered(new_secret())
        return TrainingRun(self.steps, privacy=budget_of(self.rows, self.steps, self.training), secret=secret)

    def tell_earlier_points(self) -> None:
        """The course of earlier attempts, for trackers that were started anew."""
        for point in self.run.curve:
            self.on_step(int(point["step"]), point)

    def validate_before_the_first_step(self) -> None:
        if not self.run.curve:
            self.record({"step": 0}, validates=True)

    def steps_to_come(self) -> Iterator[tuple[int, list[Any]]]:
        """Number and rows of every step that is not done, until the last one or until `patience` has run out."""
        for batch in self._order():
            if self.run.finished:
                return
            yield self.run.step + 1, [self.rows[number] for number in batch]

    def _order(self) -> Iterator[list[int]]:
        """Row numbers of the steps that are not done."""
        if self.private and self.given_order is None:
            return self.private.order(self.run.step)
        order = (
            training_order(len(self.rows), self.training.batch_rows, self.training.seed)
            if self.given_order is None
            else self.given_order
        )
        return itertools.islice(order, self.run.step, None)

    def validates_after(self, step: int) -> bool:
        return step % self.interval == 0 or step == self.steps

    def optimizer_step(self, step: int, rows: Sequence[Any]) -> dict[str, float]:
        """Learns from `rows`; the step's point of the curve."""
        begun = time.monotonic()
        rate = self.training.learning_rate * learning_rate_factor(step - 1, self.steps, self.training)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self.private:
            figures, tokens = self.private.accumulate(self.model, self.objective, rows, step)
        else:
            loss, tokens = _accumulate(self.model, self.objective, rows, self.training)
            figures = {"loss": loss}
        if "loss" in figures:
            self._require_finite("loss", figures["loss"], step)
        # Where each record's gradient was clipped already, the noisy sum is only measured.
        most = math.inf if self.private else self.training.max_grad_norm
        norm = float(sharding.whole(torch.nn.utils.clip_grad_norm_(self.weights.values(), most)))
        self._require_finite("gradient norm", norm, step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.run.tokens += tokens
        self.step_seconds.append(time.monotonic() - begun)
        speed = round(tokens / self.step_seconds[-1], 1)
        return {
            "step": step,
            **figures,
            "learning_rate": rate,
            "gradient_norm": norm,
            "tokens_per_second": speed,
            **self.run.gpu.read(),
        }

    def record(self, point: dict[str, float], validates: bool) -> None:
        """Notes a step that is done, measures the validation loss where it is due, and tells both."""
        run = self.run
        run.step = int(point["step"])
        if validates:
            begun = time.monotonic()
            point |= validation_figures(self.model, self.objective, self.validation, self.training)
            self.validation_seconds = time.monotonic() - begun
            self._require_finite("validation loss", point["validation_loss"], run.step)
            if not self.steps:
                self._keep(point)
            elif run.step and self.private:
                if run.step == self.steps:
                    self._keep(point)
            elif run.step and self._is_best(point):
                self._keep(point)
                run.misses = 0
            elif run.step:
                run.misses += 1
        run.seconds = time.monotonic() - self.began
        run.stopped_early = run.misses >= self.training.patience and run.step < self.steps
        run.curve.append(point)
        self.on_step(run.step, point)
        if run.step:
            _report(run, point, 0.0 if run.stopped_early else self.seconds_left())

    def _is_best(self, point: dict[str, float]) -> bool:
        """By loss: whether none before was lower. By metric: whether it is clearly better than the weights that are
        kept. So of weights that the records cannot tell apart the earliest stay, which know least of single records
        (the one-standard-error rule of Breiman et al., Classification and Regression Trees, 1984, section 3.4.3; half
        of an error, as the same records are asked each time). Fewer than `TELLING` records hardly tell whether anything
        was learned: of them the latest stay that are not clearly worse than the best."""
        run, metric, loss = self.run, self._metric, point["validation_loss"]
        if not metric or math.isinf(run.best_loss):  # the same in all processes
            return loss < run.best_loss
        score = point[metric]
        luck_of_loss = self.objective.spread / math.sqrt(len(self.validation))  # a share of the loss
        before = [one for one in run.curve if one["step"] and metric in one]
        if len(self.validation) < TELLING:
            top, lowest = max(one[metric] for one in before), min(one["validation_loss"] for one in before)
            luck = self._error(top)
            not_worse = loss <= lowest * (1 + luck_of_loss) and score >= top - luck
            return score > top + luck or not_worse
        kept = next(one[metric] for one in before if one["step"] == run.best_step)
        luck = self._error(kept) / 2
        lower = loss < run.best_loss * (1 - luck_of_loss / 2)
        return score > kept + luck or (lower and score >= kept - luck)

    def _error(self, share: float) -> float:
        """Standard error of a share of the validation records."""
        return math.sqrt(share * (1 - share) / len(self.validation))

    def _keep(self, point: dict[str, float]) -> None:
        run = self.run
        run.best_loss, run.best_step = point["validation_loss"], run.step
        run.best = {name: sharding.own(p).to("cpu", copy=True) for name, p in self.weights.items()}

    @property
    def _metric(self) -> str:
        """What decides about the weights to keep, beside the loss."""
        return self.objective.metric if self.training.keep == "best_metric" else ""

    def seconds_left(self) -> float:
        """By the last steps of this attempt, but not its first, which also compiles and fills caches; and by the last
        validation."""
        ahead = range(self.run.step + 1, self.steps + 1)
        pace = statistics.median(list(self.step_seconds)[1:] or self.step_seconds or [0.0])
        return pace * len(ahead) + self.validation_seconds * sum(map(self.validates_after, ahead))

    def save_or_end(self) -> None:
        """Saves the state where it is due or training ends before its last step.

        Raises:
            TrainingFailed: why it ends.
        """
        if self.run.finished:
            return
        reason = self.limit(self.run)
        # The same answer in all processes.
        ending, due = processes.summed(reason is not None, self.states is not None and self.states.due(self.run))
        if self.states and (ending or due):
            self.states.save(self.run, self.weights, self.optimizer)
        if reason:
            raise reason
        if ending:
            raise Preempted(
                f"another process of this training was asked to stop after step {self.run.step}; the state was saved",
                "Run it again",
            )

    def leave_best_weights(self) -> None:
        """In the model, unless they are divided between processes."""
        if sharding.is_divided(self.weights):
            return
        self._set(self.run.best)

    def _set(self, weights: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, value in weights.items():
                self.weights[name].copy_(value)

    def _require_finite(self, what: str, value: float, step: int) -> None:
        if math.isfinite(value):
            return
        good = next((p for p in reversed(self.run.curve) if "loss" in p), None)
        last = (
            f"the last finite loss was {good['loss']:.4g} at step {int(good['step'])}"
            if good
            else "no step before had a finite loss"
        )
        raise NanLoss(
            f"the {what} became {value} at step {step} of {self.run.steps}; {last}; nothing was published",
            f"Lower training.learning_rate (now {self.training.learning_rate:g})",
            f"training.learning_rate={self.training.learning_rate / 2:g}",
        )


def _accumulate(model: Any, objective: Objective, rows: Sequence[Any], training: Training) -> tuple[float, int]:
    """Gradients of the mean loss over `rows` (per supervised token, pair or record), in micro-batches; the mean loss
    and the tokens computed."""
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


def validation_figures(model: Any, objective: Objective, rows: Sequence[Any], training: Training) -> dict[str, float]:
    """`validation_loss`, the mean per supervised token, pair or record without dropout, and the objective's metrics."""
    model.eval()
    own, measured = 0.0, []
    with torch.no_grad():
        for micro, counts in _own_micro_batches(rows, objective, training, sharding.is_divided(trainable(model))):
            loss, found = objective.measure(model, micro)
            own += loss * counts
            measured += found * counts
    loss = processes.summed(own)[0] / objective.weight(rows)
    everywhere = [one for part in processes.gathered(measured) for one in part]
    return {"validation_loss": loss, **objective.metrics(everywhere), **objective.ask(model)}


def _own_micro_batches(
    rows: Sequence[Any], objective: Objective, training: Training, divided: bool
) -> list[tuple[list[Any], int]]:
    """Micro-batches of this process, each with 1. Divided weights are put together by all processes in every pass, so
    all make equally many: spare ones come with 0."""
    of_each = [
        list(micro_batches(processes.share_of(rows, number), objective, training))
        for number in range(processes.count() if divided else 1)
    ]
    own = (
        of_each[processes.number()] if divided else list(micro_batches(processes.own_share(rows), objective, training))
    )
    spare = max(map(len, of_each)) - len(own) if divided else 0
    return [*((micro, 1) for micro in own), *(([min(rows, key=objective.length)], 0) for _ in range(spare))]


def passes(rows: Sequence[Any], objective: Objective, training: Training) -> Iterable[list[Any]]:
    """Rows that go through the model together in a training step: micro-batches; with differential privacy each row
    alone."""
    return ([row] for row in rows) if training.differential_privacy.on else micro_batches(rows, objective, training)


def micro_batches(rows: Sequence[Any], objective: Objective, training: Training) -> Iterator[list[Any]]:
    """`rows` in their order, as many at once as `training.micro_batch_tokens` holds (one at least)."""
    room = max(training.micro_batch_tokens - objective.shared_tokens, 1)
    for numbers in batches_of([objective.length(row) for row in rows], room):
        yield [rows[number] for number in numbers]


def _report(run: TrainingRun, point: dict[str, float], left: float) -> None:
    if not processes.is_first():
        return
    fields = {name: value for name, value in point.items() if name not in ("step", "gradient_norm")}
    progress.report(
        STAGE, run.step, run.steps, "steps", **fields, memory_gib=round(peak_gib(), 2), seconds_left=round(left)
    )
