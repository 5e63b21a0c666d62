"""Starts a program on the back end of a use case's compute profile. One file per back end; all start the same programs."""

import importlib
from dataclasses import dataclass
from typing import Any

import dagster as dg

from ft_platform.environment import Environment
from ft_platform.lake.versions import ArtifactVersion, from_dict
from ft_platform.use_case import NamedUseCase


@dataclass(frozen=True)
class ProgramResult:
    """What a program reported at its end."""

    artifact: ArtifactVersion
    values: dict[str, Any]


def run_program(context: dg.AssetExecutionContext, environment: Environment, use_case: NamedUseCase, program: str, extras: dict[str, Any]) -> ProgramResult:
    """Runs `python -m ft_platform.programs.<program>` and waits for its artifact.

    Args:
        extras: what the program gets beside name and settings of the use case, e.g. version handles.

    Raises:
        TrainingFailed: with the reason that the program gave, or the signal that ended it.
        ConfigError: the profile does not exist.
    """
    profile = environment.profile(use_case.settings.compute.profile)
    backend = importlib.import_module(f"ft_platform.compute.{profile.backend}")
    everything = {"use_case": use_case.name, "settings": use_case.settings.model_dump(mode="json"), **extras}
    values = backend.run(context, environment, profile, use_case, program, everything)
    artifact = from_dict(values["artifact"])
    assert isinstance(artifact, ArtifactVersion)
    return ProgramResult(artifact, values)
