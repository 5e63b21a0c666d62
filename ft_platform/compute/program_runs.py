"""Runs a program on the back end of a use case's compute profile. All back ends run the same programs."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import dagster as dg

from ft_platform.compute import warm
from ft_platform.compute.backend import Launch, backend
from ft_platform.compute.pool import place_in_pool, pool_of
from ft_platform.costs.fair_queue import Entry, class_of
from ft_platform.costs.ledger import Ledger
from ft_platform.costs.metering import metered
from ft_platform.costs.queue_folder import Queued
from ft_platform.costs.quotas import last_seconds, reserved
from ft_platform.costs.teams import team_of
from ft_platform.errors import MadeRoom, Preempted, ProgramKilled, TrainingFailed
from ft_platform.errors.vouched import VouchedLog, vouch
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion, from_dict
from ft_platform.stages import STAGES
from ft_platform.training.experiments.admission import EXPERIMENTS, admit_program, require_left
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.program_variables import program_variables
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment

MODEL_PROGRAMS = {stage.program for stage in STAGES.values() if stage.program}
"""Those that wait for a place in the pool; an audit loads no model."""
RETRAINING = "ft/retraining"
"""Tag of runs that reasons of `retraining.when` started."""


@dataclass(frozen=True)
class ProgramResult:
    """What a program reported at its end, and its row in the ledger of costs."""

    artifact: ArtifactVersion
    values: dict[str, Any]
    cost: dict[str, Any]

    def cost_metadata(self) -> dict[str, Any]:
        """Money, time by device and energy, as the UI shows them; what is not known is left out."""
        shown = ("money", "currency", "seconds", "cpu_seconds", "gpu_seconds", "kwh")
        titles = {"seconds": "program_seconds"}  # which are more than the training in it takes
        return {f"cost/{titles.get(name, name)}": self.cost[name] for name in shown if self.cost[name] is not None}


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
        BudgetExceeded, QuotaExceeded, DoesNotFit: it was not started.
        ConfigError: the profile does not exist.
    """
    lake = open_lake(environment)
    one = _OneProgram(context, environment, use_case, program, handles, lake)
    require_left(lake, environment, use_case, program, one.splits)
    if program not in MODEL_PROGRAMS:
        return one.run(None)
    with Queued(lake, one.entry(), environment.quotas, environment.queue).there() as queued:
        while True:
            try:
                with place_in_pool(context, queued):
                    return one.run(queued)
            except MadeRoom as stopped:
                queued.made_room()
                context.log.info(vouch(f"{stopped.message}. It waits for the next place and goes on from there"))


@dataclass(frozen=True)
class _OneProgram:
    """What `run_program` was asked for."""

    context: dg.AssetExecutionContext
    environment: Environment
    use_case: NamedUseCase
    program: str
    handles: dict[str, Any]
    lake: Lake

    @property
    def profile(self) -> ComputeProfile:
        return self.environment.profile(self.use_case.settings.compute.profile)

    @property
    def splits(self) -> TableVersion | None:
        splits = from_dict(self.handles["splits"]) if "splits" in self.handles else None
        return splits if isinstance(splits, TableVersion) else None

    def entry(self) -> Entry:
        """In the queue."""
        settings, team = self.use_case.settings.compute, team_of(self.use_case)
        return Entry(
            id=uuid.uuid4().hex,
            pool=pool_of(self.context.instance),
            run=self.context.run.run_id,
            use_case=self.use_case.name,
            team=team,
            program=self.program,
            profile=settings.profile,
            priority=class_of(
                settings.priority,
                self.environment.quotas.highest(team),
                experiment=self.program in EXPERIMENTS,
                retraining=RETRAINING in self.context.run.tags,
            ),
            since=time.time(),
            # Elsewhere the queue of the cluster decides: `qos`, priority classes, Kueue.
            stoppable=self.program == "train" and self.profile.runs_here,
            gpus=max(self.profile.gpus, 1) * self.profile.tasks_of(self.program, self.use_case.settings.search),
        )

    def run(self, queued: Queued | None) -> ProgramResult:
        """Runs it once.

        Raises:
            MadeRoom: it was asked to.
        """
        lake, use_case, profile = self.lake, self.use_case, self.profile
        log = VouchedLog(self.context.log)
        seconds = admit_program(lake, self.environment, use_case, self.program, self.splits, log)
        if seconds is None:
            rows = Ledger(lake).rows()
            seconds = last_seconds(rows, use_case.name, self.program, use_case.settings.compute.profile)
        if queued:
            seconds = queued.expects(seconds)
        id_of_run = self.context.run.run_id
        with (
            reserved(lake, self.environment, use_case, self.program, seconds) as run_id,
            metered(
                lake, use_case, profile, self.program, id_of_run, cpu_elsewhere=warm.cpu_seconds, run_id=run_id
            ) as run,
        ):
            asked = queued.asked if queued else _never
            launch = Launch(
                self.context, self.environment, profile, use_case, self.program, self.handles, run.ran, asked
            )
            try:
                values = backend(profile.backend).run(launch)
            except TrainingFailed as error:
                # The plain one is what a program says that was asked while it was still importing.
                if type(error) in (Preempted, ProgramKilled, TrainingFailed) and asked():
                    raise MadeRoom(f"made room for a program of a higher class: {error.message}") from None
                raise
            artifact = from_dict(values["artifact"])
            assert isinstance(artifact, ArtifactVersion)
            run.note(values)
        return ProgramResult(artifact, values, run.row())


def _never() -> bool:
    return False
