"""The queue of programs in the lake.

Each program that waits for a place or has one is a file, `<root>/shared/_costs/queue/<id>.json`, with signs of life;
`<id>.<stint>.ask` beside it asks a training to make room, and is made only if it does not exist. The order follows from
the files alone (`costs.fair_queue`), so every orchestrator comes to the same one; the places themselves are Dagster's
(`compute.pool`).

Not covered: clocks of machines that differ by more than `LOST_AFTER_SECONDS`. A process that was killed keeps its turn
for that long."""

import json
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from typing import Any, TypeVar

from ft_platform.costs.fair_queue import Entry, as_waiting, in_order, used_lately, who_makes_room
from ft_platform.costs.ledger import BEAT_SECONDS, FOLDER, LOST_AFTER_SECONDS, ZONE, Ledger
from ft_platform.errors import FtError
from ft_platform.lake import files
from ft_platform.lake.file_systems import if_reached, passes
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.quotas import PRIORITIES, Queue, Quotas

T = TypeVar("T")
QUEUE = "queue"
KNOWN = {one.name for one in fields(Entry)}
"""Fields; a newer version may write others."""


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


PATIENCE_SECONDS = 300.0
"""How long a program that waits for its turn waits for the lake."""


class Queued:
    """One program in the queue, from when it begins to wait until it has ended.

    Attributes:
        entry: as it is now.
    """

    def __init__(self, lake: Lake, entry: Entry, quotas: Quotas, queue: Queue) -> None:
        self.folder, self.entry, self.quotas, self.queue = QueueFolder(lake), entry, quotas, queue
        self._ledger, self._lock = Ledger(lake), threading.Lock()
        self._rows: list[dict[str, Any]] = []
        self._read_at, self._seen_at = float("-inf"), time.monotonic()

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
            with if_reached():  # what is left behind ends with its signs of life
                self.folder.leave(self.entry)

    def look(self) -> tuple[Sequence[Entry], list[Entry], dict[str, float]] | None:
        """All entries of this pool, those that wait in their order, and what teams used; None: the lake is out of
        reach, which is waited for `PATIENCE_SECONDS` at most.

        Raises:
            OSError, TransientError: it has been for longer, or a disk is full or closed to this process for good.
        """
        found = self._if_reached(self._look, until=self._seen_at + PATIENCE_SECONDS)
        self._seen_at = time.monotonic() if found else self._seen_at
        return found

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
        waiting = asdict(as_waiting(self.entry, now))
        self._change(**{**waiting, "seconds": left, "stint": stint, "made_room_at": now, "made_room_for": by})

    def _change(self, **values: Any) -> None:
        with self._lock:
            self.entry = replace(self.entry, **values)
        self._write()

    def _write(self) -> None:
        with self._lock:
            self.folder.write(self.entry)

    def _if_reached(self, does: Callable[[], T], until: float = math.inf) -> T | None:
        """None: the lake is out of reach. After `until` (`time.monotonic`) that is a failure."""
        try:
            return does()
        except Exception as error:
            if not passes(error) or time.monotonic() > until:
                raise
            return None

    def _beat(self, ended: threading.Event) -> None:
        """A failed sign of life is not the end of a program: the next may succeed."""
        while not ended.wait(BEAT_SECONDS):
            try:
                self._write()
            except Exception as error:
                if not isinstance(error, FtError) and not passes(error):
                    raise
