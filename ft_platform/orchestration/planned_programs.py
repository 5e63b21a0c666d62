"""Where the programs of a run start, how long they take and what they cost, as far as one can say before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ft_platform.costs.ledger import Ledger
from ft_platform.costs.prices import cost_of
from ft_platform.lake.store import Lake
from ft_platform.orchestration.plan import Plan
from ft_platform.settings.environment import ComputeProfile, Environment
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase

TOLD = (
    *("partition", "queue", "nodes", "spot"),
    *("region", "machine_type", "accelerator"),  # gcp_vertex
    *("compute", "instance_type"),  # azure_ml
    *("runtime", "node_type", "pool", "environment_version"),  # databricks
)
"""Options of a profile that say where a program runs, and on what."""


@dataclass(frozen=True)
class PlannedProgram:
    """One program of a run.

    Attributes:
        seconds: it will take; None: not known yet.
        known_by: `estimate` for this profile, or `last run` on it.
        money: in `currency`; None: not known yet.
    """

    stage: str
    program: str
    profile: str
    backend: str
    where: str
    seconds: float | None
    known_by: str
    money: float | None
    currency: str

    def line(self) -> str:
        if self.seconds is None:
            return f"{self.stage}: program {self.program}; time and cost are not known yet (ft estimate)"
        minutes = f"about {max(self.seconds / 60, 0.1):.1f} minutes by the {self.known_by}"
        return f"{self.stage}: program {self.program}, {minutes}, {self.money:.2f} {self.currency}"


def planned_programs(
    lake: Lake, environment: Environment, use_case: NamedUseCase, plan: Plan
) -> Sequence[PlannedProgram]:
    """The programs of the stages that will be made. A search and other experiments count as they were last."""
    name = use_case.settings.compute.profile
    profile = environment.profile(name)
    rows = [
        row
        for row in Ledger(lake).rows()
        if (row["use_case"], row["profile"], row["state"]) == (use_case.name, name, "finished")
    ]
    found = []
    for stage in (one.stage for one in plan.made if STAGES[one.stage].program):
        program = str(STAGES[stage].program)
        estimated = plan.training_seconds if program == "train" else None
        last: dict[str, Any] = next((row for row in reversed(rows) if row["program"] == program), {})
        seconds = last.get("seconds") if estimated is None else estimated
        cost = None if seconds is None else cost_of(seconds, profile)
        found.append(
            PlannedProgram(
                stage,
                program,
                name,
                profile.backend,
                where(profile),
                seconds,
                "last run" if estimated is None else "estimate",
                cost.money if cost else None,
                profile.currency,
            )
        )
    return found


def where(profile: ComputeProfile) -> str:
    """In words: back end, what it was told, size and price."""
    told = [f"{name} {value}" for name, value in profile.options.items() if name in TOLD]
    size = [f"{profile.processes} processes"] if profile.processes > 1 else []
    size += [f"{profile.gpus} GPUs"] if profile.gpus else []
    price = [f"{profile.price_per_hour:.2f} {profile.currency} an hour"]
    return ", ".join([profile.backend, *told, *size, *price])


def lines(programs: Sequence[PlannedProgram]) -> list[str]:
    """For the terminal."""
    if not programs:
        return ["No program is started"]
    known = [one.money for one in programs if one.money is not None]
    rest = f", and {len(programs) - len(known)} not known yet" if len(known) < len(programs) else ""
    total = [f"  Together: {sum(known):.2f} {programs[0].currency}{rest}"] if known else []
    first = f"Programs, on compute profile {programs[0].profile} ({programs[0].where}):"
    return [first, *(f"  {one.line()}" for one in programs), *total]
