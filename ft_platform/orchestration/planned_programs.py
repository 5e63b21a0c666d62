"""Where the programs of a run start, how long they take and what they cost, as far as one can say before; and what of
that nobody knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ft_platform.compute.reach import why_not
from ft_platform.costs.budgets import budgets_of
from ft_platform.costs.ledger import Ledger
from ft_platform.costs.prices import cost_of
from ft_platform.lake.store import Lake
from ft_platform.orchestration.plan import Plan
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment

TOLD = (
    *("partition", "queue", "nodes", "spot", "vcpus", "memory_gib", "region"),
    *("namespace", "context", "address"),  # kubernetes, ray
    *("instance", "warm_seconds"),  # aws_sagemaker
    *("machine_type", "accelerator"),  # gcp_vertex
    *("compute", "instance_type"),  # azure_ml
    *("runtime", "node_type", "pool", "environment_version"),  # databricks
)
"""Options of a profile that say where a program runs, and on what."""
LAST_RUNS = 5
"""Whose times are told as a range."""
NOT_COUNTED = "waiting for a place, the start of machines, storage, traffic, and attempts that a lost machine ended"


@dataclass(frozen=True)
class PlannedProgram:
    """One program of a run.

    Attributes:
        seconds: it will take; None: not known.
        known_by: where the time is from, or why it is not known.
        money: in `currency`; None: not known, because the time is not, or the profile names no price.
        tasks: of a job array, whose times are added; 1: it is none.
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
    tasks: int = 1

    def line(self) -> str:
        first = f"{self.stage}: program {self.program}"
        first += f" as a job array of {self.tasks} tasks" if self.tasks > 1 else ""
        if self.seconds is None:
            return f"{first}; time and cost are not known: {self.known_by}"
        money = "cost not known" if self.money is None else f"{self.money:.2f} {self.currency}"
        return f"{first}, about {_minutes(self.seconds)} minutes, {money}; {self.known_by}"


def planned_programs(
    lake: Lake, environment: Environment, use_case: NamedUseCase, plan: Plan
) -> Sequence[PlannedProgram]:
    """The programs that these stages start. A search and other experiments count as they were last."""
    name = use_case.settings.compute.profile
    profile = environment.profile(name)
    rows = [
        row
        for row in Ledger(lake).rows()
        if (row["use_case"], row["profile"], row["state"]) == (use_case.name, name, "finished")
    ]
    found = []
    for stage, program in ((one.stage, program) for one in plan.stages for program in one.programs):
        measured = plan.training_seconds if program == "train" else None
        seconds, known_by = _time(program, [row for row in rows if row["program"] == program], profile, measured)
        money = None if seconds is None else cost_of(seconds, profile).money
        found.append(
            PlannedProgram(
                stage,
                program,
                name,
                profile.backend,
                where(profile),
                seconds,
                known_by,
                money,
                profile.currency,
                profile.tasks_of(program, use_case.settings.search),
            )
        )
    return found


def _time(
    program: str, rows: Sequence[Mapping[str, Any]], profile: ComputeProfile, measured: float | None
) -> tuple[float | None, str]:
    """Seconds of a program, and where they are from.

    Args:
        rows: of the ledger: earlier runs of it on this profile, oldest first.
        measured: by `ft estimate`, in one process on this machine.
    """
    if measured is not None and profile.runs_here and profile.processes == 1:
        return measured, "by ft estimate, which measured some steps on this machine"
    if rows:
        times, when = [row["seconds"] for row in rows[-LAST_RUNS:]], _day(rows[-1]["started_at"])
        took = f"the last run on this profile, {when}"
        if len(times) > 1:
            took += f"; the last {len(times)} took {_minutes(min(times))} to {_minutes(max(times))}"
        return times[-1], f"as {took}"
    known_by = "none has ended on this profile yet"
    if measured is not None:
        return None, f"{known_by}; ft estimate says {_minutes(measured)} minutes for one process on this machine"
    here = program == "train" and profile.runs_here and profile.processes == 1
    return None, known_by + (" (ft estimate measures a training)" if here else "")


def _minutes(seconds: float) -> str:
    return f"{max(seconds / 60, 0.1):.1f}"


def _day(value: Any) -> str:
    return (value if isinstance(value, datetime) else datetime.fromisoformat(value)).date().isoformat()


def where(profile: ComputeProfile) -> str:
    """In words: back end, what it was told, size and price."""
    told = [f"{name} {value}" for name, value in profile.options.items() if name in TOLD]
    size = [f"{profile.processes} processes"] if profile.processes > 1 else []
    size += [f"{profile.gpus} GPU{'s' if profile.gpus > 1 else ''}"] if profile.gpus else []
    as_of = f" as of {profile.price_as_of}" if profile.price_as_of else ", of unknown date"
    as_of, per_hour = as_of if profile.price_per_hour else "", profile.price_per_hour
    price = "no price" if per_hour is None else f"{per_hour:.2f} {profile.currency} an hour{as_of}"
    return ", ".join([profile.backend, *told, *size, price])


def lines(programs: Sequence[PlannedProgram]) -> list[str]:
    """For the terminal: places, times and money."""
    if not programs:
        return ["No program is started"]
    known = [one.money for one in programs if one.money is not None]
    rest = f", and {len(programs) - len(known)} not known yet" if len(known) < len(programs) else ""
    total = [f"  Together: {sum(known):.2f} {programs[0].currency}{rest}"] if known else []
    first = f"Programs, on compute profile {programs[0].profile} ({programs[0].where}):"
    return [first, *(f"  {one.line()}" for one in programs), *total]


def warnings(
    lake: Lake, environment: Environment, use_case: NamedUseCase, programs: Sequence[PlannedProgram]
) -> list[str]:
    """What whoever pays should know before: the most that it can cost, what is left of budgets, that a price is
    missing, and that the profile cannot be reached. Asks its scheduler."""
    if not programs:
        return []
    name, minutes = programs[0].profile, use_case.settings.compute.timeout_minutes
    profile = environment.profile(name)
    found = []
    if limit := cost_of(60.0 * minutes, profile).money:
        most = limit * sum(one.tasks for one in programs)
        found.append(
            f"Most: {most:.2f} {profile.currency}, if each runs into its limit of {minutes / 60:g} hours"
            " (compute.timeout_minutes)"
        )
    elif limit is None:
        found.append(f"No price: profiles.{name} has no price_per_hour, and budgets count its programs as free")
    expected = sum(one.money or 0.0 for one in programs)
    for budget in budgets_of(lake, environment, use_case, profile):
        over = ": programs will be refused" if budget.left <= 0 or expected > budget.left else ""
        found.append(
            f"Budget {budget.setting}: {budget.spent:.2f} of {budget.limit:.2f} {budget.currency} are spent"
            f" this month{over}"
        )
    if not profile.runs_here:
        found.append(f"Not counted: {NOT_COUNTED}")
    if reason := why_not(profile):
        found.append(f"Not reached: {profile.backend} of profile {name} cannot be used from here: {reason}")
    return found
