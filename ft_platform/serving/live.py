"""Which releases of a use case have traffic where the platform decides it: a file for each place that `ft deploy`
writes. The platform's own server reads its file every few seconds; without one it serves the newest release that
stands."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import VersionRefused
from ft_platform.lake.files import locked, write_bytes
from ft_platform.lake.releases import Release, standing_releases
from ft_platform.lake.store import Lake
from ft_platform.serving.rollout.under_way import CANDIDATE, UnderWay

PREVIOUS = "previous"
OWN_SERVER = "own"
"""Place: the platform's own server on this machine."""


@dataclass(frozen=True)
class Live:
    """What was deployed.

    Attributes:
        releases: ids of those that had traffic, the newest first: the first that stands has it now.
        candidate: id of one that is tried before it gets traffic.
        rollout: on which share of the traffic the candidate is tried; None: on none.
    """

    releases: tuple[str, ...] = ()
    candidate: str | None = None
    rollout: UnderWay | None = None

    def with_traffic(self, release: str) -> "Live":
        """After a switch to a release."""
        return Live((release, *(one for one in self.releases if one != release)))

    def without(self, release: str) -> "Live":
        """After a release was taken away."""
        kept = tuple(one for one in self.releases if one != release)
        return Live(kept) if self.candidate == release else replace(self, releases=kept)


def live_path(home: Path, use_case: str, place: str = OWN_SERVER) -> Path:
    return home / "serving" / "live" / place / f"{use_case}.json"


def read_live(home: Path, use_case: str, place: str = OWN_SERVER) -> Live | None:
    """None: nothing was deployed there.

    Raises:
        VersionRefused: the file is damaged, so nobody can tell.
    """
    path = live_path(home, use_case, place)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rollout = found.get("rollout")  # the files of earlier versions have none
        return Live(
            tuple(map(str, found["releases"])), found["candidate"], UnderWay.from_dict(rollout) if rollout else None
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise VersionRefused(f"{path} cannot be read", f"Deploy again: ft deploy {use_case}") from None


def write_live(home: Path, use_case: str, live: Live, place: str = OWN_SERVER) -> None:
    rollout = live.rollout and live.rollout.to_dict()
    told = {"releases": live.releases, "candidate": live.candidate, "rollout": rollout}
    write_bytes(LocalFileSystem(), str(live_path(home, use_case, place)), json.dumps(told, indent=1).encode())


def change_live(home: Path, use_case: str, change: Callable[[Live], Live], place: str = OWN_SERVER) -> None:
    """Reads, changes and writes as one: a second process waits."""
    path = live_path(home, use_case, place)
    with locked(path.with_suffix(".lock")):
        write_live(home, use_case, change(read_live(home, use_case, place) or Live()), place)


def stop_rollout(home: Path, use_case: str, rollout: UnderWay, why: str) -> None:
    """Gives a candidate no more traffic; whoever watches the rollout decides about it."""

    def stopped(live: Live) -> Live:
        if live.rollout is None or live.rollout.identity != rollout.identity or live.rollout.stopped:
            return live
        return replace(live, rollout=replace(live.rollout, stopped=why))

    change_live(home, use_case, stopped)


def listed(lake: Lake, home: Path, use_case: str) -> dict[str, Release]:
    """Name of a served model -> its release: the use case, `@previous`, `@candidate`. A candidate is the release that
    is being tried, or the newest one that was never deployed.

    Raises:
        VersionRefused: nobody can tell what is released or deployed.
    """
    standing = standing_releases(lake, use_case)
    live = read_live(home, use_case)
    known = {one.id: one for one in standing}
    order = [known[one] for one in live.releases if one in known] if live else standing
    found = {use_case: order[0]} if order else {}
    earlier = next((one for one in order[1:] if one.checkpoint != order[0].checkpoint), None)
    if earlier:
        found[f"{use_case}@{PREVIOUS}"] = earlier
    if candidate := _candidate(standing, live):
        found[f"{use_case}@{CANDIDATE}"] = candidate
    return found


def _candidate(standing: list[Release], live: Live | None) -> Release | None:
    if live is None or not standing:
        return None
    if live.candidate:
        return next((one for one in standing if one.id == live.candidate), None)
    return standing[0] if standing[0].id not in live.releases else None
