"""Who is next when all places of a pool are taken, and which training makes room.

Order: the highest class, to which each `ageing_hours` of waiting add one; in a class, the team that used the machines
least in the last `fair_days`, divided by its weight; of one team, whoever came first. None waits forever: programs that
come later are of a lower class than one that has waited long enough."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ft_platform.costs.teams import team_in, team_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.quotas import PRIORITIES, Queue, Quotas


@dataclass(frozen=True)
class Entry:
    """A program that waits for a place in a pool, or has one.

    Attributes:
        pool: and the database that its places are in.
        priority: place in `PRIORITIES`.
        since: when it began to wait, in seconds since 1970; after a stop so much later as it ran.
        started: when it got its place; None: it waits.
        seconds: that it is expected to take; None: not known.
        stoppable: a training on this machine, which saves its state when it is asked to stop.
        gpus: that it holds, at least 1.
        stint: how often it made room.
        made_room_at, made_room_for: when it last did, and for which class, in words.
    """

    id: str
    pool: str
    run: str
    use_case: str
    team: str
    program: str
    profile: str
    priority: int
    since: float
    started: float | None = None
    seconds: float | None = None
    stoppable: bool = False
    gpus: int = 1
    stint: int = 0
    made_room_at: float | None = None
    made_room_for: str = ""
    seen_at: float = 0.0
    asked_by: str = field(default="", compare=False)

    @property
    def waits(self) -> bool:
        return self.started is None


def class_of(wanted: str, highest: str, *, experiment: bool, retraining: bool) -> int:
    """Place in `PRIORITIES` of a program.

    Args:
        wanted: by its use case.
        highest: that its team may ask for.
        experiment: it trains, and publishes a report only.
        retraining: reasons started it: a model that is served needs it.
    """
    place = PRIORITIES.index(wanted) - experiment + (retraining and not experiment)  # type: ignore[arg-type]
    return min(max(place, 0), PRIORITIES.index(highest))  # type: ignore[arg-type]


def run_priority(use_case: NamedUseCase, quotas: Quotas, *, retraining: bool = False) -> dict[str, str]:
    """Tag of runs of a use case, by which Dagster's own queue of runs puts those first that this one would; empty for
    the normal class."""
    highest = quotas.highest(team_of(use_case))
    place = class_of(use_case.settings.compute.priority, highest, experiment=False, retraining=retraining)
    above = place - PRIORITIES.index("normal")
    return {"dagster/priority": str(above)} if above else {}


def place_of(entry: Entry, used: Mapping[str, float], quotas: Quotas, queue: Queue, now: float) -> tuple[Any, ...]:
    """What the queue is sorted by.

    Args:
        used: team -> GPU-seconds of the last days (`used_lately`).
    """
    aged = entry.priority + int(max(now - entry.since, 0.0) / 3600 / queue.ageing_hours)
    return (-aged, used.get(entry.team, 0.0) / quotas.weight(entry.team), entry.since, entry.id)


def in_order(
    entries: Iterable[Entry], used: Mapping[str, float], quotas: Quotas, queue: Queue, now: float
) -> list[Entry]:
    """Those that wait, the next one first."""
    return sorted((one for one in entries if one.waits), key=lambda one: place_of(one, used, quotas, queue, now))


def may_be_asked(entry: Entry, by: Entry, queue: Queue, now: float) -> bool:
    """Whether a training may be asked to make room: only one of a lower class, that has run for a while, is not about
    to end and was not asked already."""
    if not queue.preempt or not entry.stoppable or entry.started is None or entry.asked_by:
        return False
    ran = now - entry.started
    ends_soon = entry.seconds is not None and entry.seconds - ran < 60 * queue.spare_minutes
    return entry.priority < by.priority and ran >= 60 * queue.least_minutes and not ends_soon


def who_makes_room(
    by: Entry, entries: Iterable[Entry], used: Mapping[str, float], quotas: Quotas, queue: Queue, now: float
) -> Entry | None:
    """The training that a waiting program asks: of the lowest class, of the team that used most, the one that ran for
    the shortest time. None: there is none behind which it would not come again."""
    mine = place_of(by, used, quotas, queue, now)
    asked = [
        one
        for one in entries
        if may_be_asked(one, by, queue, now) and place_of(as_waiting(one, now), used, quotas, queue, now) > mine
    ]
    return min(
        asked,
        key=lambda one: (one.priority, -used.get(one.team, 0.0) / quotas.weight(one.team), -(one.started or 0.0)),
        default=None,
    )


def as_waiting(entry: Entry, now: float) -> Entry:
    """As it will be when it has made room: what it waited before counts on, what it ran does not."""
    ran = 0.0 if entry.started is None else now - entry.started
    return replace(entry, started=None, since=entry.since + ran)


def used_lately(
    rows: Iterable[Mapping[str, Any]],
    entries: Iterable[Entry],
    queue: Queue,
    now: float,
    teams: Mapping[str, str],
) -> dict[str, float]:
    """Team -> GPU-seconds of the last days; on profiles without GPUs seconds. Running programs count as they are
    expected to.

    Args:
        rows: of the ledger.
        teams: use case -> team, for rows that are older than quotas.
    """
    since = datetime.fromtimestamp(now, UTC) - timedelta(days=queue.fair_days)
    used: dict[str, float] = {}
    for row in rows:
        if row["started_at"] >= since and row["state"] != "running":
            team = team_in(row, teams)
            used[team] = used.get(team, 0.0) + (row["gpu_seconds"] or row["seconds"])
    for one in entries:
        if one.started is not None:
            seconds = max(now - one.started, one.seconds or 0.0)
            used[one.team] = used.get(one.team, 0.0) + seconds * one.gpus
    return used
