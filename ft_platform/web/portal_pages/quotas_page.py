"""What teams have used of their month, and who waits for the machines.

Whoever has a role in a use case of a team sees that team; a role in the whole installation shows all. Others see how
long the queue is, and not whose it is."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ft_platform.costs.ledger import Ledger, month_of
from ft_platform.costs.quotas import WARN_AT, Measure, Standing, standings
from ft_platform.costs.teams import team_in, teams_of
from ft_platform.costs.waiting import InQueue, waiting_in
from ft_platform.lake.store import Lake
from ft_platform.reporting.html import page
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.quotas import Queue

Roles = Callable[[str], Collection[str]] | None


@dataclass(frozen=True)
class Stopped:
    """A training that made room.

    Attributes:
        at: when it ended.
        minutes: that it had run.
    """

    at: str
    team: str
    use_case: str
    minutes: float


def quotas_page(
    lake: Lake, environment: Environment, use_cases: Mapping[str, NamedUseCase], roles: Roles, now: datetime
) -> str:
    """The page, for whoever asks.

    Args:
        roles: use case -> roles in it of whoever asks. None: nobody signs in, and all is shown.
    """
    teams = teams_of(use_cases.values())
    found = standings(lake, environment, teams, month_of(now))
    seen = {one.team for one in found if may_see(one.team, teams, roles)}
    queue = [one if may_see(one.team, teams, roles) else _hidden(one) for one in waiting_in(lake, environment, teams)]
    stopped = [one for one in _stopped(lake, environment.queue, teams, now) if may_see(one.team, teams, roles)]
    shown = [one for one in found if one.team in seen]
    return page_of(shown, queue, stopped, environment.queue, len(found) - len(shown), month_of(now))


def may_see(team: str, teams: Mapping[str, str], roles: Roles) -> bool:
    """Whether a team is shown to somebody.

    Args:
        teams: use case -> team.
    """
    if roles is None or roles(""):  # a role in the whole installation
        return True
    return any(roles(use_case) for use_case, its in teams.items() if its == team)


def page_of(
    teams: Sequence[Standing],
    queue: Sequence[InQueue],
    stopped: Sequence[Stopped],
    rules: Queue,
    hidden: int,
    month: str,
) -> str:
    return page(
        "portal_quotas.html",
        title="Quotas and queue",
        here="quotas",
        teams=teams,
        bars={(one.team, each.name): _bar(each) for one in teams for each in one.measures},
        queue=queue,
        stopped=stopped,
        rules=rules,
        hidden=hidden,
        month=month,
        warn_at=WARN_AT,
    )


def _bar(measure: Measure) -> tuple[int, int]:
    """Widths of what is used and what is reserved, in twentieths; together 20 at most."""
    whole = max(measure.limit or 0.0, measure.used + measure.reserved) or 1.0
    used = round(20 * measure.used / whole)
    return used, round(20 * (measure.used + measure.reserved) / whole) - used


def _hidden(one: InQueue) -> InQueue:
    return replace(one, team="", use_case="", program="", profile="", pool="")


def _stopped(lake: Lake, queue: Queue, teams: Mapping[str, str], now: datetime) -> list[Stopped]:
    """The newest first."""
    since = now.astimezone(UTC) - timedelta(days=queue.fair_days)
    found = [
        Stopped(
            (row["started_at"] + timedelta(seconds=row["seconds"])).isoformat(timespec="seconds"),
            team_in(row, teams),
            row["use_case"],
            round(row["seconds"] / 60, 1),
        )
        for row in Ledger(lake).rows()
        if row["error"] == "MadeRoom" and row["started_at"] >= since
    ]
    return found[::-1]
