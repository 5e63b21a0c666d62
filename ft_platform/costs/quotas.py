"""What a team has used of its month, what running programs have reserved, and the refusal of a program beyond it.

A program reserves first (`costs.reservations`) and counts then: what the ledger has, and reservations with a lower
number. Of two that start at once, the one with the higher number therefore always sees the other.

Covered: any number of orchestrators, and processes that are killed anywhere: a reservation counts while its program run
gives signs of life in the ledger, or for `LOST_AFTER_SECONDS` until there is one. Not covered: clocks of machines that
differ by more than that. A run counts in the month of its start."""

import calendar
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ft_platform.costs.ledger import LOST_AFTER_SECONDS, Ledger, month_of
from ft_platform.costs.prices import cost_of
from ft_platform.costs.reservations import Reservation, Reservations
from ft_platform.costs.teams import team_in, team_of
from ft_platform.errors import QuotaExceeded
from ft_platform.lake.file_systems import if_reached
from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.quotas import Quotas, Raise

WARN_AT = 0.8
"""Share of a quota from which on people are told."""
FORECAST_AFTER = 0.1
"""Share of a month before which its first days say nothing about the rest."""
GPU_HOURS, MONEY = "gpu_hours", "money"


@dataclass(frozen=True)
class Measure:
    """GPU-hours or money of a team in a month.

    Attributes:
        name: field of the quota: `gpu_hours` or `money`.
        unit: `GPU-hours`, or the currency.
        limit: None: there is none.
        reserved: by running programs, beyond what they have used.
        forecast: at the end of the month at the pace so far, and at least what is used and reserved; None: too early.
    """

    name: str
    unit: str
    limit: float | None
    used: float
    reserved: float
    forecast: float | None

    @property
    def left(self) -> float | None:
        return None if self.limit is None else max(self.limit - self.used - self.reserved, 0.0)

    @property
    def share(self) -> float | None:
        """Used and reserved, of the limit; None: no limit."""
        if self.limit is None:
            return None
        taken = self.used + self.reserved
        return taken / self.limit if self.limit else float(taken > 0)


@dataclass(frozen=True)
class Standing:
    """What a team may use in a month, and what it has used."""

    team: str
    month: str
    gpu_hours: Measure
    money: Measure
    raised: list[Raise] = field(default_factory=list)

    @property
    def measures(self) -> tuple[Measure, Measure]:
        return self.gpu_hours, self.money


def standing(
    rows: Iterable[Mapping[str, Any]],
    reservations: Iterable[Reservation],
    quotas: Quotas,
    team: str,
    currency: str,
    month: str,
    now: datetime,
    teams: Mapping[str, str],
) -> Standing:
    """What rows of the ledger of a month and reservations come to for a team.

    Args:
        teams: use case -> team, for rows that are older than quotas.
    """
    own = [row for row in rows if row["month"] == month and team_in(row, teams) == team]
    spent = {row["run"]: (row["gpu_seconds"] / 3600, row["money"] or 0.0) for row in own}
    running = {row["run"] for row in own if row["state"] == "running"}
    used = [sum(one[part] for one in spent.values()) for part in (0, 1)]
    reserved = [0.0, 0.0]
    for one in reservations:
        new = one.run not in spent and 0 <= abs(now.timestamp() - one.at) < LOST_AFTER_SECONDS
        if (one.team, one.month) == (team, month) and (one.run in running or new):
            so_far = spent.get(one.run, (0.0, 0.0))
            for part, whole in enumerate((one.gpu_hours, one.money)):
                reserved[part] += max(whole - so_far[part], 0.0)
    limits, passed = quotas.of(team, month), _passed(month, now)

    def measure(part: int, name: str, unit: str, limit: float | None) -> Measure:
        forecast = None if passed < FORECAST_AFTER else max(used[part] / passed, used[part] + reserved[part])
        figures = round(used[part], 4), round(reserved[part], 4), None if forecast is None else round(forecast, 4)
        return Measure(name, unit, limit, *figures)

    hours, money = measure(0, GPU_HOURS, "GPU-hours", limits.gpu_hours), measure(1, MONEY, currency, limits.money)
    return Standing(team, month, hours, money, quotas.raises(team, month))


def _passed(month: str, now: datetime) -> float:
    """Share of a month (UTC) that is over."""
    year, number = map(int, month.split("-"))
    start = datetime(year, number, 1, tzinfo=UTC)
    days = calendar.monthrange(year, number)[1]
    return min(max((now - start).total_seconds() / (days * 86_400), 0.0), 1.0)


def has_quota(environment: Environment, use_case: NamedUseCase, profile: ComputeProfile) -> bool:
    """Whether programs of a use case on a profile count for a limit."""
    limits = environment.quotas.of(team_of(use_case), month_of())
    return bool(
        (limits.gpu_hours is not None and profile.gpus) or (limits.money is not None and profile.price_per_hour)
    )


def standing_of(
    lake: Lake, environment: Environment, use_case: NamedUseCase, profile: ComputeProfile, before: int | None = None
) -> Standing:
    """How the team of a use case stands this month.

    Args:
        before: only reservations with a lower number count.
    """
    team, now = team_of(use_case), datetime.now(UTC)
    # Reservations first: a run that ends in between is in the ledger then.
    reserved = [one for one in Reservations(lake).of(team) if before is None or one.number < before]
    rows = Ledger(lake).rows(month_of(now))
    teams = {use_case.name: team}
    return standing(rows, reserved, environment.quotas, team, profile.currency, month_of(now), now, teams)


def require_quota(
    lake: Lake, environment: Environment, use_case: NamedUseCase, program: str, seconds: float | None = None
) -> None:
    """Refuses a program that its team's month has no room for. `reserved` does it for good.

    Args:
        seconds: that it will take; None: something must be left.

    Raises:
        QuotaExceeded: with the numbers and the setting.
    """
    profile = environment.profile(use_case.settings.compute.profile)
    if has_quota(environment, use_case, profile):
        found = standing_of(lake, environment, use_case, profile)
        _require(found, environment, use_case, profile, program, seconds)


@contextmanager
def reserved(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    program: str,
    seconds: float | None,
) -> Iterator[str]:
    """Holds what a program may use of its team's month inside the block; yields the id of its run in the ledger.

    Args:
        seconds: that it is expected to take; None: nobody knows. Then it takes what is left, up to its time limit.

    Raises:
        QuotaExceeded: with the numbers and the setting.
    """
    run, profile = uuid.uuid4().hex, environment.profile(use_case.settings.compute.profile)
    if seconds == 0.0 or not has_quota(environment, use_case, profile):  # what is used again costs nothing
        yield run
        return
    reservations, team = Reservations(lake), team_of(use_case)
    _forget_ended(lake, reservations, team)
    most = cost_of(use_case.settings.compute.timeout_minutes * 60 if seconds is None else seconds, profile)
    money = most.money or 0.0
    made = reservations.make(run, team, month_of(), most.gpu_hours, money)
    try:
        found = standing_of(lake, environment, use_case, profile, before=made.number)
        _require(found, environment, use_case, profile, program, seconds)
        if seconds is None:
            reservations.lower(made, _at_most(most.gpu_hours, found.gpu_hours.left), _at_most(money, found.money.left))
        yield run
    finally:
        with if_reached():  # it ends with the signs of life of its run
            reservations.give_back(made)


def _at_most(value: float, limit: float | None) -> float:
    return value if limit is None else min(value, limit)


def _forget_ended(lake: Lake, reservations: Reservations, team: str) -> None:
    """Those of processes that were killed."""
    lost_before = time.time() - LOST_AFTER_SECONDS
    alive = {row["run"] for row in Ledger(lake).open_rows() if row["state"] == "running"}
    reservations.tidy(team, lambda one: one.run not in alive and one.at < lost_before)


def _require(
    found: Standing,
    environment: Environment,
    use_case: NamedUseCase,
    profile: ComputeProfile,
    program: str,
    seconds: float | None,
) -> None:
    needs = cost_of(seconds or 0.0, profile)
    of_profile = {GPU_HOURS: bool(profile.gpus), MONEY: bool(profile.price_per_hour)}
    for measure, needed in zip(found.measures, (needs.gpu_hours, needs.money or 0.0), strict=True):
        if measure.left is None or not of_profile[measure.name] or (measure.left > 0 and needed <= measure.left):
            continue
        more = f" and needs {needed:.2f}" if needed else ""
        raise QuotaExceeded(
            f"program {program} of {use_case.name} was not started: team {found.team} has used {measure.used:.2f} of"
            f" {measure.limit:.2f} {measure.unit} of {found.month} (UTC), running programs hold {measure.reserved:.2f}"
            f" more{more}",
            f"See ft quota {_quoted(found.team)}. Wait for running programs or for {_next(found.month)}, train less (ft"
            f" estimate {use_case.name}), or ask an administrator to raise"
            f" {environment.quotas.setting(found.team, measure.name)}",
        )


def used_up_quota(lake: Lake, environment: Environment, use_case: NamedUseCase, profile: ComputeProfile) -> str | None:
    """Which quota of this month is used up, in words; None if there is none. Reservations do not count: it is asked
    by a program that has one."""
    if not has_quota(environment, use_case, profile):
        return None
    found = standing_of(lake, environment, use_case, profile, before=0)
    for one in found.measures:
        if one.limit is not None and one.used >= one.limit and (one.name == MONEY or profile.gpus):
            setting = environment.quotas.setting(found.team, one.name)
            return f"{one.used:.2f} of {one.limit:.2f} {one.unit} of this month's quota ({setting}) are used"
    return None


def standings(lake: Lake, environment: Environment, teams: Mapping[str, str], month: str) -> list[Standing]:
    """Every team that has a limit, a use case or programs in a month, by name.

    Args:
        teams: use case -> team.
    """
    now, everything = datetime.now(UTC), Reservations(lake).all()
    rows = Ledger(lake).rows(month)
    currency = next(iter(environment.profiles.values())).currency
    names = {*environment.quotas.teams, *teams.values(), *(team_in(row, teams) for row in rows)}
    return [standing(rows, everything, environment.quotas, name, currency, month, now, teams) for name in sorted(names)]


def last_seconds(rows: Iterable[Mapping[str, Any]], use_case: str, program: str, profile: str) -> float | None:
    """How long a program took when it last finished; before its first time, the longest that another use case needed;
    None: nobody has run it on this profile.

    Args:
        rows: of the ledger, oldest first.
    """
    same = (program, profile, "finished")
    found = [row for row in rows if (row["program"], row["profile"], row["state"]) == same]
    own = [row["seconds"] for row in found if row["use_case"] == use_case]
    return own[-1] if own else max((row["seconds"] for row in found), default=None)


def _quoted(team: str) -> str:
    return f"'{team}'" if " " in team else team


def _next(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12}-{number % 12 + 1:02d}-01"
