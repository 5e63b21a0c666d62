"""Who is next when all places of a pool are taken, and which training makes room.

Each program that waits for a place or has one is a file, `<root>/shared/_costs/queue/<id>.json`, with signs of life;
`<id>.<stint>.ask` beside it asks a training to make room, and is made only if it does not exist. The order follows from
the files alone, so every orchestrator comes to the same one; the places themselves are Dagster's (`compute.pool`).

Order: the highest class, to which each `ageing_hours` of waiting add one; in a class, the team that used the machines
least in the last `fair_days`, divided by its weight; of one team, whoever came first. None waits forever: programs that
come later are of a lower class than one that has waited long enough.

Not covered: clocks of machines that differ by more than `LOST_AFTER_SECONDS`. A process that was killed keeps its turn
for that long."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from ft_platform.costs.ledger import BEAT_SECONDS, FOLDER, LOST_AFTER_SECONDS, ZONE, Ledger
from ft_platform.costs.teams import team_in, team_of
from ft_platform.errors import FtError, TransientError
from ft_platform.lake import files
from ft_platform.lake.file_systems import out_of_reach
from ft_platform.lake.store import Lake
from ft_platform.settings.quotas import PRIORITIES, Queue, Quotas
from ft_platform.use_case.named import NamedUseCase

T = TypeVar("T")
QUEUE = "queue"


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


KNOWN = {one.name for one in fields(Entry)}
"""Fields; a newer version may write others."""


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
        if may_be_asked(one, by, queue, now) and place_of(_waiting(one, now), used, quotas, queue, now) > mine
    ]
    return min(
        asked,
        key=lambda one: (one.priority, -used.get(one.team, 0.0) / quotas.weight(one.team), -(one.started or 0.0)),
        default=None,
    )


def _waiting(entry: Entry, now: float) -> Entry:
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


class QueueFolder:
    """The queue of a lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def entries(self) -> list[Entry]:
        """Of programs that give signs of life."""
        found, asked = [], {}
        for path in self._paths():
            try:
                values = json.loads(files.read_bytes(self._lake.fs, path))
            except FileNotFoundError:  # it left just now
                continue
            if path.endswith(".ask"):
                asked[path.rsplit("/", 1)[-1].removesuffix(".ask")] = values["by"]
            elif abs(time.time() - values["seen_at"]) < LOST_AFTER_SECONDS:
                found.append(Entry(**{name: value for name, value in values.items() if name in KNOWN}))
        return [replace(one, asked_by=asked.get(f"{one.id}.{one.stint}", "")) for one in found]

    def write(self, entry: Entry) -> None:
        values = {**asdict(entry), "seen_at": time.time(), "asked_by": ""}
        with self._lake.room_for("the queue of programs"):
            files.write_bytes(self._lake.fs, self._path(f"{entry.id}.json"), json.dumps(values).encode())

    def ask(self, entry: Entry, by: Entry) -> bool:
        """Asks a training to make room. False: another program asked first."""
        words = f"for a program of {PRIORITIES[by.priority]} priority"
        content = json.dumps({"by": words, "id": by.id, "nonce": uuid.uuid4().hex}).encode()
        try:
            files.create(self._lake.fs, self._path(f"{entry.id}.{entry.stint}.ask"), content)
        except FileExistsError:
            return False
        return True

    def asked(self, entry: Entry) -> str | None:
        """For which class a program is asked to make room, in words; None: it is not."""
        try:
            return json.loads(files.read_bytes(self._lake.fs, self._path(f"{entry.id}.{entry.stint}.ask")))["by"]
        except FileNotFoundError:
            return None

    def leave(self, entry: Entry) -> None:
        """Removes what there is of an entry, and of those whose process was killed long ago."""
        for path in self._paths():
            name = path.rsplit("/", 1)[-1]
            if name.split(".")[0] == entry.id or self._is_left_behind(path):
                self._remove(path)

    def _is_left_behind(self, path: str) -> bool:
        try:
            values = json.loads(files.read_bytes(self._lake.fs, path))
        except FileNotFoundError:
            return False
        if path.endswith(".ask"):
            stem = path.rsplit("/", 1)[-1].split(".")[0]
            return not self._lake.fs.exists(self._path(f"{stem}.json"))
        return time.time() - values["seen_at"] > 10 * LOST_AFTER_SECONDS

    def _remove(self, path: str) -> None:
        if self._lake.fs.exists(path):
            self._lake.fs.rm_file(path)

    def _paths(self) -> list[str]:
        self._lake.fs.invalidate_cache()
        folder = self._lake.path_of(ZONE, FOLDER, QUEUE)
        names = self._lake.fs.ls(folder, detail=False) if self._lake.fs.exists(folder) else []
        return sorted(name for name in names if name.endswith((".json", ".ask")))

    def _path(self, name: str) -> str:
        return self._lake.path_of(ZONE, FOLDER, QUEUE, name)


class Queued:
    """One program in the queue, from when it begins to wait until it has ended.

    Attributes:
        entry: as it is now.
    """

    def __init__(self, lake: Lake, entry: Entry, quotas: Quotas, queue: Queue) -> None:
        self.folder, self.entry, self.quotas, self.queue = QueueFolder(lake), entry, quotas, queue
        self._ledger, self._lock = Ledger(lake), threading.Lock()
        self._rows: list[dict[str, Any]] = []
        self._read_at = float("-inf")

    @contextmanager
    def there(self) -> Iterator["Queued"]:
        """Is in the queue inside the block, and gives signs of life."""
        self._write()
        ended = threading.Event()
        beats = threading.Thread(target=self._beat, args=(ended,), daemon=True)
        beats.start()
        try:
            yield self
        finally:
            ended.set()
            beats.join()
            # What is left behind ends with its signs of life, and the program has done what it did.
            self._if_reached(lambda: self.folder.leave(self.entry))

    def look(self) -> tuple[Sequence[Entry], list[Entry], dict[str, float]] | None:
        """All entries of this pool, those that wait in their order, and what teams used; None: the lake is out of
        reach."""
        return self._if_reached(self._look)

    def _look(self) -> tuple[Sequence[Entry], list[Entry], dict[str, float]]:
        now = time.time()
        entries = [one for one in self.folder.entries() if one.pool == self.entry.pool]
        if time.monotonic() - self._read_at > BEAT_SECONDS:  # the ledger changes when programs end
            self._read_at, self._rows = time.monotonic(), self._ledger.rows()
        used = used_lately(self._rows, entries, self.queue, now, {self.entry.use_case: self.entry.team})
        return entries, in_order(entries, used, self.quotas, self.queue, now), used

    def ask_for_room(self, entries: Sequence[Entry], used: Mapping[str, float]) -> Entry | None:
        """The training that was asked by this program just now, if one was."""
        found = who_makes_room(self.entry, entries, used, self.quotas, self.queue, time.time())
        return found if found and self.folder.ask(found, self.entry) else None

    def has_place(self) -> None:
        self._change(started=time.time())

    def expects(self, seconds: float | None) -> float | None:
        """Notes how long the program will take. Returns what is left of it, where it made room before."""
        left = self.entry.seconds
        if self.entry.stint and left is not None and seconds is not None:
            seconds = min(seconds, left)
        self._change(seconds=seconds)
        return seconds

    def asked(self) -> bool:
        """Whether this program is to make room. Not while the lake is out of reach."""
        return self.entry.stoppable and self._if_reached(lambda: self.folder.asked(self.entry)) is not None

    def made_room(self) -> None:
        """It waits again, for the rest of its time."""
        now, by = time.time(), self.folder.asked(self.entry) or ""
        ran = now - (self.entry.started or now)
        left = None if self.entry.seconds is None else max(self.entry.seconds - ran, 0.0)
        stint = self.entry.stint + 1
        waiting = asdict(_waiting(self.entry, now))
        self._change(**{**waiting, "seconds": left, "stint": stint, "made_room_at": now, "made_room_for": by})

    def _change(self, **values: Any) -> None:
        with self._lock:
            self.entry = replace(self.entry, **values)
        self._write()

    def _write(self) -> None:
        with self._lock:
            self.folder.write(self.entry)

    def _if_reached(self, does: Callable[[], T]) -> T | None:
        try:
            return does()
        except Exception as error:
            if not isinstance(error, (OSError, TransientError)) and not out_of_reach(error):
                raise
            return None

    def _beat(self, ended: threading.Event) -> None:
        """A failed sign of life is not the end of a program: the next may succeed."""
        while not ended.wait(BEAT_SECONDS):
            try:
                self._write()
            except Exception as error:
                if not isinstance(error, (OSError, FtError)) and not out_of_reach(error):
                    raise
