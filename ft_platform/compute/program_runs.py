"""Runs a program on the back end of a use case's compute profile. All back ends run the same programs."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import dagster as dg

from ft_platform.compute import warm
from ft_platform.compute.backend import Launch, backend
from ft_platform.compute.pool import place_in_pool
from ft_platform.costs.metering import metered
from ft_platform.experiments.admission import admit_program
from ft_platform.lake.opening import open_lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion, from_dict
from ft_platform.process.program_variables import program_variables
from ft_platform.process.vouched import VouchedLog
from ft_platform.settings.environment import Environment
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase

MODEL_PROGRAMS = {stage.program for stage in STAGES.values() if stage.program}
"""Those that wait for a place in the pool; an audit loads no model."""


@dataclass(frozen=True)
class ProgramResult:
    """What a program reported at its end, and its row in the ledger of costs."""

    artifact: ArtifactVersion
    values: dict[str, Any]
    cost: dict[str, Any]

    def cost_metadata(self) -> dict[str, Any]:
        """Money, time by device and energy, as the UI shows them; what is not known is left out."""
        shown = ("money", "currency", "seconds", "cpu_seconds", "gpu_seconds", "kwh")
        return {f"cost/{name}": self.cost[name] for name in shown if self.cost[name] is not None}


def begin(environment: Environment, use_case: NamedUseCase) -> None:
    """Lets the imports of the first program run beside the stages before it, where the back end forks its programs."""
    profile = environment.profile(use_case.settings.compute.profile)
    if profile.backend == "local" and warm.possible():
        warm.begin(program_variables(environment, profile, use_case))


def run_program(
    context: dg.AssetExecutionContext,
    environment: Environment,
    use_case: NamedUseCase,
    program: str,
    handles: dict[str, Any],
) -> ProgramResult:
    """Runs `python -m ft_platform.programs.<program>`, waits for its artifact and notes what it cost.

    Args:
        handles: what the program gets beside name and settings of the use case, e.g. version handles.

    Raises:
        TrainingFailed: with the reason that the program gave, or the signal that ended it.
        BudgetExceeded, DoesNotFit: it was not started.
        ConfigError: the profile does not exist.
    """
    profile = environment.profile(use_case.settings.compute.profile)
    lake = open_lake(environment)
    splits = from_dict(handles["splits"]) if "splits" in handles else None
    training_splits = splits if isinstance(splits, TableVersion) else None
    with place_in_pool(context) if program in MODEL_PROGRAMS else nullcontext():
        admit_program(lake, environment, use_case, program, training_splits, VouchedLog(context.log))
        with metered(lake, use_case, profile, program, context.run.run_id, cpu_elsewhere=warm.cpu_seconds) as run:
            launch = Launch(context, environment, profile, use_case, program, handles, run.ran)
            values = backend(profile.backend).run(launch)
            artifact = from_dict(values["artifact"])
            assert isinstance(artifact, ArtifactVersion)
            run.note(values)
    return ProgramResult(artifact, values, run.row())
