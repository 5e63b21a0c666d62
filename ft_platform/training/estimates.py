"""Estimates of trainings: made by the program `estimate` in a process of its own, kept on this machine for the check
before a launch."""

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ft_platform import errors
from ft_platform.costs.prices import cost_of
from ft_platform.lake.versions import TableVersion
from ft_platform.training.inputs import checkpoint_inputs
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.program_variables import program_variables
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment

CALIBRATION_SECONDS = 20.0
KEPT_SECONDS = 7 * 24 * 3600
"""An older estimate is not used for a launch: machine and load change."""


@dataclass(frozen=True)
class Estimate:
    """What a training will need on this machine, and what that costs on a compute profile.

    Attributes:
        figures: of `training.estimate.estimate`.
    """

    figures: dict[str, Any]
    profile: ComputeProfile

    @property
    def money(self) -> float | None:
        return cost_of(self.figures["seconds"], self.profile).money

    @property
    def note(self) -> str | None:
        """What the figures are not, where the profile trains otherwise than they were measured."""
        if self.profile.processes == 1:
            return None
        weights = "divide the weights" if self.profile.sharded else "each hold the whole model"
        return (
            f"measured in one process on this machine; the compute profile trains with {self.profile.processes}"
            f" processes that {weights}. How long they take, and how much memory, was not measured"
        )

    def to_dict(self) -> dict[str, Any]:
        """All figures, JSON values only; those that were promised first. With a `note` where there is one."""
        cost = cost_of(self.figures["seconds"], self.profile)
        band = [cost_of(seconds, self.profile).money for seconds in self.figures["seconds_band"]]
        first = {name: self.figures[name] for name in ("memory_gib", "memory_band", "seconds", "seconds_band")}
        money = {
            "cost": cost.money,
            "cost_band": band,
            "currency": cost.currency,
            "gpu_hours": cost.gpu_hours,
            "kwh": cost.kwh,
        }
        note = {"note": self.note} if self.note else {}
        return first | money | {name: value for name, value in self.figures.items() if name not in first} | note

    def times(self, trainings: int) -> dict[str, Any]:
        """What so many equal trainings, one after the other, take."""
        seconds, band = (self.figures[name] for name in ("seconds", "seconds_band"))
        cost = cost_of(trainings * seconds, self.profile)
        return {
            "trainings": trainings,
            "seconds": trainings * seconds,
            "seconds_band": [trainings * one for one in band],
            "cost": cost.money,
            "cost_band": [cost_of(trainings * one, self.profile).money for one in band],
            "currency": cost.currency,
        }


def further_seeds(estimate: Estimate, use_case: NamedUseCase) -> dict[str, Any]:
    """`{"further_seeds": ...}`, what the trainings of `seed_variation` take beside that of the checkpoint; nothing
    where it is off."""
    further = use_case.settings.seed_variation.seeds - 1
    return {"further_seeds": estimate.times(further)} if further else {}


def measure(
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    profile: ComputeProfile,
    seconds: float = CALIBRATION_SECONDS,
) -> Estimate:
    """Makes a few optimizer steps of the training in a process like the training program's, and keeps the result.

    Raises:
        TrainingFailed: the calibration failed, with its reason.
    """
    with tempfile.TemporaryDirectory(prefix="ft-estimate-") as folder:
        answer, orders = Path(folder) / "answer.json", Path(folder) / "orders.json"
        settings = use_case.settings.model_dump(mode="json")
        orders.write_text(
            json.dumps(
                {
                    "use_case": use_case.name,
                    "settings": settings,
                    "splits": splits.to_dict(),
                    "seconds": seconds,
                    "answer": str(answer),
                }
            )
        )
        command = [sys.executable, "-m", "ft_platform.programs.estimate", str(orders)]
        done = subprocess.run(
            command, env=program_variables(environment, profile, use_case), capture_output=True, text=True, check=False
        )
        if not answer.exists():
            raise errors.TrainingFailed(*_why(done.returncode, use_case))
        found = json.loads(answer.read_text())
    if failed := found.get("failed"):
        kind = getattr(errors, failed["type"], errors.TrainingFailed)
        plain = kind not in (errors.ConfigError, errors.MissingExtra)  # these two build their own message
        raise (kind if plain else errors.TrainingFailed)(failed["message"], failed["next_step"])
    found["measured_at"] = time.time()
    path = _path(environment, use_case, splits, profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(found))
    temporary.replace(path)
    return Estimate(found, profile)


def kept(
    environment: Environment, use_case: NamedUseCase, splits: TableVersion, profile: ComputeProfile
) -> Estimate | None:
    """The estimate of an equal training that was made on this machine within a week, or None."""
    path = _path(environment, use_case, splits, profile)
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    return Estimate(found, profile) if abs(time.time() - found["measured_at"]) < KEPT_SECONDS else None


def _path(environment: Environment, use_case: NamedUseCase, splits: TableVersion, profile: ComputeProfile) -> Path:
    _, inputs = checkpoint_inputs(use_case, splits)
    machine = f"{platform.node()} {platform.machine()} {os.cpu_count()} {use_case.settings.compute.threads}"
    # Where memory is short layers may be computed again (`training.gradient_checkpointing: auto`).
    machine += f" {profile.memory_limit_gib}"
    return (
        environment.cache_path / "estimates" / f"{hashlib.sha256(f'{inputs} {machine}'.encode()).hexdigest()[:24]}.json"
    )


def _why(exit_code: int, use_case: NamedUseCase) -> tuple[str, str]:
    if exit_code == -9:
        return (
            (
                f"the calibration of {use_case.name} was ended by SIGKILL, most likely because the machine ran out of"
                " memory"
            ),
            "Lower training.micro_batch_tokens or training.max_length",
        )
    return (
        f"the calibration of {use_case.name} ended with exit code {exit_code} without saying why",
        f"Run it by hand: ft estimate {use_case.name} --debug",
    )
