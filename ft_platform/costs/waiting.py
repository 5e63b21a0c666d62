"""The queue of programs in words: places, and why each waits or runs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ft_platform.costs.fair_queue import Entry, in_order, used_lately
from ft_platform.costs.ledger import Ledger
from ft_platform.costs.queue_folder import QueueFolder
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.quotas import PRIORITIES


@dataclass(frozen=True)
class InQueue:
    """A program that has a place or waits for one.

    Attributes:
        place: in the queue, from 1; 0: it has its place.
        pool: that of an installation's database.
        priority: its class, without its age.
        waited_minutes: so far; of one that runs, before it ran.
        why: it waits, or since when it runs.
        made_room_at: when it made room, in seconds since 1970; None: never.
    """

    place: int
    pool: str
    team: str
    use_case: str
    program: str
    profile: str
    priority: str
    waited_minutes: float
    why: str
    made_room_at: float | None


def waiting_in(lake: Lake, environment: Environment, teams: Mapping[str, str]) -> list[InQueue]:
    """Programs that have a place, then those that wait, the next one first; of each pool.

    Args:
        teams: use case -> team.
    """
    entries, rows, now = QueueFolder(lake).entries(), Ledger(lake).rows(), time.time()
    found = []
    for pool in sorted({one.pool for one in entries}):
        own = [one for one in entries if one.pool == pool]
        used = used_lately(rows, own, environment.queue, now, teams)
        order = in_order(own, used, environment.quotas, environment.queue, now)
        running = sorted((one for one in own if not one.waits), key=lambda one: (one.started or 0.0, one.id))
        found += [_told(0, one, _runs(one, now), now) for one in running]
        for place, one in enumerate(order):
            found.append(_told(place + 1, one, _why(one, order[:place], used), now))
    return found


def _told(place: int, one: Entry, why: str, now: float) -> InQueue:
    waited = (now if one.started is None else one.started) - one.since
    about = (one.pool, one.team, one.use_case, one.program, one.profile, PRIORITIES[one.priority])
    return InQueue(place, *about, round(max(waited, 0.0) / 60, 1), why, one.made_room_at)


def _runs(one: Entry, now: float) -> str:
    ran = f"has run for {(now - (one.started or now)) / 60:.0f} minutes"
    if one.asked_by:
        return f"{ran}; saves its state to make room {one.asked_by}"
    if one.seconds is None:
        return ran
    left = (one.seconds - (now - (one.started or now))) / 60
    return f"{ran}, {f'about {left:.0f} left' if left > 0 else 'longer than expected'}"


def _why(one: Entry, before: Sequence[Entry], used: Mapping[str, float]) -> str:
    """What stands between a program and a place."""
    stopped = f"made room {one.made_room_for}, goes on from its saved state; " if one.made_room_at else ""
    if not before:
        return f"{stopped}next for a place"
    higher = sum(each.priority > one.priority for each in before)
    less = sum(each.team != one.team and used.get(each.team, 0.0) < used.get(one.team, 0.0) for each in before)
    parts = [f"{len(before)} before it"]
    parts += [f"{higher} of a higher class"] if higher else []
    parts += [f"{less} of teams that used less"] if less else []
    return stopped + ": ".join([parts[0], ", ".join(parts[1:])] if parts[1:] else parts)
