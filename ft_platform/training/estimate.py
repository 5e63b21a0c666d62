"""Measures, on this machine and in this process, what a training will need: a few of its own optimizer steps, then
nothing else.

The process must be a fresh one: its peak memory is the answer for the training program's.
"""

import contextlib
import math
import os
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ft_platform.errors import TrainingFailed
from ft_platform.training.batches import training_order
from ft_platform.training.fit_check import fitting_parts
from ft_platform.training.loop import micro_batches, train
from ft_platform.training.lora import trainable
from ft_platform.training.memory import peak_gib
from ft_platform.training.plan import Plan, plan_of, tokens_of
from ft_platform.training.prepared import Prepared
from ft_platform.training.private_gradients import budget_of
from ft_platform.training.recipe import few_steps
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.training import DifferentialPrivacy, Training

MOST_STEPS = 24
WARM_UP_STEPS = 2
"""The two steps with the heaviest micro-batches come first, for the peak; they are also the warm-up and are not
timed."""
LEAST_TIMED_STEPS = 3
VALIDATION_EVERY = 4
GROWS_FOR_STEPS = 100
"""Afterwards peak memory hardly grew any more: 2.76 GiB after 45 steps, 2.93 after 70, without a limit on oneDNN's
kernels."""
MEMORY_BAND = 0.10
SECONDS_BAND = 0.15
"""Least half-widths of the bands. Largest errors of `benchmarks/estimate.py` are in docs/benchmarks.md."""


class Enough(TrainingFailed):
    """The calibration has measured for as long as it may."""


@dataclass
class Calibration:
    """Times of the calibration's steps.

    Attributes:
        tokens: of each optimizer step of the calibration.
        seconds, cpu_seconds: of each step that has ended, its validation included where there was one.
        validated: whether there was one.
        peaks_gib: peak memory so far, after each step.
    """

    tokens: list[int]
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    validated: list[bool] = field(default_factory=list)
    peaks_gib: list[float] = field(default_factory=list)

    def memory_after(self, steps: int) -> float:
        """Peak memory in GiB after so many steps: the peak so far, and its growth per doubling of steps carried on.

        The heap of a process fragments while batches have ever new shapes: 1.54, 1.68, 1.73 and 1.78 GiB after 1, 3, 5
        and 8 steps of SmolLM2-135M. A GPU's allocator gives freed blocks away again and does not grow so.
        """
        done = len(self.peaks_gib)
        doublings = [math.log2(step) for step in range(1, done + 1)]
        growth = max(statistics.linear_regression(doublings, self.peaks_gib).slope, 0.0) if done > 1 else 0.0
        return self.peaks_gib[-1] + growth * max(math.log2(min(steps, GROWS_FOR_STEPS) / done), 0.0)

    def rates(self, times: list[float], validation_tokens: int) -> tuple[float, float, float]:
        """Seconds per training token, their relative standard error, and seconds per validation token."""
        timed = [n for n in range(WARM_UP_STEPS, len(times)) if not self.validated[n]] or [
            n for n in range(len(times)) if not self.validated[n]
        ]
        tokens = sum(self.tokens[n] for n in timed)
        rate = sum(times[n] for n in timed) / tokens
        # Ratio estimator, W. G. Cochran, Sampling Techniques, 3rd ed., section 6.4.
        squares = sum((times[n] - rate * self.tokens[n]) ** 2 for n in timed)
        error = (
            (squares / max(len(timed) - 1, 1) / len(timed)) ** 0.5 / (tokens / len(timed)) / rate
            if len(timed) > 1
            else 0.0
        )
        checked = [max(times[n] - rate * self.tokens[n], 0.0) for n in range(len(times)) if self.validated[n]]
        return rate, error, sum(checked) / len(checked) / validation_tokens if checked else rate / 3


def estimate(
    prepared: Prepared, training: Training, profile: ComputeProfile, seconds: float, setup: tuple[float, float]
) -> dict[str, Any]:
    """What the training will need.

    Args:
        profile: with the memory limit that decides about `training.gradient_checkpointing: auto`.
        seconds: how long the calibration may take; a few steps are made whatever they take.
        setup: wall and CPU seconds from the start of the process to here: the training program will take them too.

    Raises:
        OutOfMemory: even the calibration did not fit.
    """
    if prepared.objective is None:
        return _learned(prepared, training, setup)
    plan = plan_of(prepared, training)
    began = time.monotonic(), cpu_seconds()
    parts = fitting_parts(prepared, training, profile)
    # The training program counts them as well, before its first step.
    setup_seconds, setup_cpu_seconds = setup[0] + time.monotonic() - began[0], setup[1] + cpu_seconds() - began[1]
    chosen = _chosen_steps(plan, training)
    validation = _some(prepared.validation, prepared.objective, 2 * training.micro_batch_tokens)
    calibration = _calibrate(prepared, training, plan, chosen, validation, seconds)
    sample_tokens = sum(
        tokens_of(micro, prepared.objective) for micro in micro_batches(validation, prepared.objective, training)
    )
    rate, error, validation_rate = calibration.rates(calibration.seconds, sample_tokens)
    cpu_rate, _, cpu_validation_rate = calibration.rates(calibration.cpu_seconds, sample_tokens)
    computed = sum(plan.tokens) * rate + plan.validations * plan.validation_tokens * validation_rate
    cpu_computed = sum(plan.tokens) * cpu_rate + plan.validations * plan.validation_tokens * cpu_validation_rate
    memory = calibration.memory_after(plan.steps)
    return {
        "memory_gib": round(memory, 3),
        "memory_band": _band(memory, MEMORY_BAND, 3),
        "seconds": round(setup_seconds + computed, 1),
        "seconds_band": _band(setup_seconds + computed, max(SECONDS_BAND, 2 * error), 1),
        "training_seconds": round(computed, 1),
        "setup_seconds": round(setup_seconds, 1),
        "setup_cpu_seconds": round(setup_cpu_seconds, 1),
        "training_cpu_seconds": round(cpu_computed, 1),
        "parts_gib": {**parts.gib(), "program": round(memory - parts.total / 2**30, 4)},
        **described(prepared, training, plan),
        "timed_steps": len(calibration.seconds),
        "tokens_per_second": round(1 / rate, 1),
        "device": str(prepared.model.device),
    }


def _learned(prepared: Prepared, training: Training, setup: tuple[float, float]) -> dict[str, Any]:
    """Of a training that was done when it was prepared: a regression on words takes seconds."""
    memory, (seconds, cpu) = peak_gib(), setup
    return {
        "memory_gib": round(memory, 3),
        "memory_band": _band(memory, MEMORY_BAND, 3),
        "seconds": round(seconds, 1),
        "seconds_band": _band(seconds, SECONDS_BAND, 1),
        "training_seconds": 0.0,
        "setup_seconds": round(seconds, 1),
        "setup_cpu_seconds": round(cpu, 1),
        "training_cpu_seconds": 0.0,
        "parts_gib": {"program": round(memory, 4)},
        **described(prepared, training, Plan([], [], 1, 0, (0, 0))),
        "timed_steps": 0,
        "tokens_per_second": 0.0,
        "device": prepared.model.device,
    }


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


def described(prepared: Prepared, training: Training, plan: Plan) -> dict[str, Any]:
    """Exact figures of the plan."""
    counts = {side: rendered.counts() for side, rendered in prepared.sides.items()}
    return {
        "examples": counts["train"]["rows"],
        "validation_examples": counts["validation"]["rows"],
        "left_out": counts["train"]["left_out"],
        "truncated": counts["train"]["truncated"],
        "example_tokens": counts["train"]["tokens"],
        "supervised_tokens": counts["train"]["supervised_tokens"],
        "steps": plan.steps,
        "tokens": sum(plan.tokens),
        "validations": plan.validations,
        "validation_tokens": plan.validation_tokens,
        "trainable_parameters": sum(p.numel() for p in trainable(prepared.model).values()),
        "batching": prepared.batching,
        "recipe": prepared.recipe.to_dict(),
        "few_steps": few_steps(plan.steps, len(prepared.rows), training),
        "differential_privacy": (
            budget_of(prepared.rows, plan.steps, training).to_dict() if training.differential_privacy.on else None
        ),
    }


def _chosen_steps(plan: Plan, training: Training) -> list[int]:
    """Planned steps to calibrate with: the two heaviest, then a random sample. Full batches only, so that all have the
    same number of rows."""
    full = max(map(len, plan.batches))
    heavy = list(dict.fromkeys(plan.heaviest))
    others = [n for n in range(plan.steps) if n not in heavy and len(plan.batches[n]) == full]
    random.Random(training.seed).shuffle(others)
    chosen = [n for n in [*heavy, *others] if len(plan.batches[n]) == full][:MOST_STEPS]
    while len(chosen) < WARM_UP_STEPS + LEAST_TIMED_STEPS:  # a training of a few steps: the same ones again
        chosen += chosen
    return chosen


def _calibrate(
    prepared: Prepared, training: Training, plan: Plan, chosen: Sequence[int], validation: Sequence[Any], seconds: float
) -> Calibration:
    """Runs the real loop on the batches of the chosen steps, in this order."""
    size = len(plan.batches[chosen[0]])
    rows: list[Any] = [None] * (size * len(chosen))
    # Each row is put where the loop will look for it.
    for places, step in zip(training_order(len(rows), size, training.seed), chosen, strict=False):
        for place, number in zip(places, plan.batches[step], strict=True):
            rows[place] = prepared.rows[number]
    settings = training.model_copy(
        update={
            "method": "lora",  # a linear probe makes no steps, but its passes take as long
            "epochs": 1.0,
            "max_steps": None,
            "batch_rows": size,
            "patience": len(chosen) + 1,
            "validations_per_epoch": max(1, round(len(chosen) / VALIDATION_EVERY)),
            # Any noise takes the same time.
            **(
                {"differential_privacy": DifferentialPrivacy(noise_multiplier=10.0, target_delta=1e-9)}
                if training.differential_privacy.on
                else {}
            ),
        }
    )
    order = training_order(len(rows), size, training.seed)
    found = Calibration([plan.tokens[step] for step in chosen])
    clock = [time.monotonic(), time.process_time()]
    began = clock[0]

    def on_step(step: int, values: dict[str, float]) -> None:
        now = [time.monotonic(), time.process_time()]
        if step:
            found.seconds.append(now[0] - clock[0])
            found.cpu_seconds.append(now[1] - clock[1])
            found.validated.append("validation_loss" in values)
            found.peaks_gib.append(peak_gib())
        clock[:] = now

    def limit(_: Any) -> TrainingFailed | None:
        timed = [n for n, checked in enumerate(found.validated) if n >= WARM_UP_STEPS and not checked]
        enough = len(timed) >= LEAST_TIMED_STEPS and any(found.validated) and clock[0] - began > seconds
        return Enough("the calibration has measured enough") if enough else None

    with contextlib.suppress(Enough):
        train(prepared.model, prepared.objective, rows, validation, settings, on_step=on_step, limit=limit, order=order)
    return found


def _some(rows: Sequence[Any], objective: Any, tokens: int) -> list[Any]:
    """A seeded sample of rows with about so many tokens."""
    order = list(range(len(rows)))
    random.Random(0).shuffle(order)
    taken, total = [], 0
    for number in order:
        if taken and total >= tokens:
            break
        taken.append(rows[number])
        total += objective.length(rows[number])
    return taken


def _band(value: float, share: float, digits: int) -> list[float]:
    return [round(value * (1 - share), digits), round(value * (1 + share), digits)]
