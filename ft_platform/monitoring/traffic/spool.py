"""A file beside the server, on a local disk, that keeps records until they are shipped to the lake.

SQLite in WAL mode with `synchronous=FULL`: what was committed survives a killed process and a power cut (sqlite.org,
"PRAGMA synchronous"). One thread writes; what comes while it commits goes into the next commit, so that many requests
share one fsync. A full disk turns the spool off, loudly, and never the service: it tries again every
`PAUSE_SECONDS`. What was removed is overwritten (`secure_delete`), in the file and in its log."""

import json
import logging
import os
import queue
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ft_platform.errors import TransientError
from ft_platform.lake.files import locked

LOG = logging.getLogger(__name__)

PAUSE_SECONDS = 10.0
MOST_WAITING = 10_000
"""Records that wait for a disk; more are not kept, and counted."""
MOST_AT_ONCE = 1_000
BUSY_SECONDS = 5.0
TABLES = """
CREATE TABLE IF NOT EXISTS about (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY AUTOINCREMENT, use_case TEXT NOT NULL, kind TEXT NOT NULL, record TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS damaged (
    number INTEGER PRIMARY KEY, use_case TEXT NOT NULL, kind TEXT NOT NULL, record TEXT NOT NULL
);
"""
INSERT = "INSERT INTO records (use_case, kind, record) VALUES (?, ?, ?)"


@dataclass(frozen=True)
class Spooled:
    """A record as it lies in the spool; `number` grows and is never used twice."""

    number: int
    use_case: str
    kind: str
    record: dict[str, Any]


@dataclass
class _Waiting:
    rows: Sequence[tuple[str, str, str]]
    done: "Future[bool]"


class Spool:
    """Takes records of a server.

    Attributes:
        off: why nothing is kept at the moment; empty while all is well.
        lost: records that were not kept since the start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.off = ""
        self.lost = 0
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(MOST_WAITING)
        self._until = 0.0
        self._counts = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="traffic-spool", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when all that was taken is on the disk, or was given up."""
        self._queue.put(None)
        self._thread.join()

    def append(self, use_case: str, records: Mapping[str, Mapping[str, Any]]) -> "Future[bool]":
        """Keeps records of one request, by kind, together or not at all.

        Returns:
            True once they are on the disk; False if they are not kept. Never raises and never waits.
        """
        done: Future[bool] = Future()
        try:
            rows = [(use_case, kind, json.dumps(one, ensure_ascii=False)) for kind, one in records.items()]
            for *_, text in rows:
                text.encode()  # half a surrogate pair is no text: it would end the thread
            if self.off and time.monotonic() < self._until:
                raise queue.Full
            self._queue.put_nowait(_Waiting(rows, done))
        except (queue.Full, ValueError, TypeError):
            self._give_up(1)
            done.set_result(False)
        return done

    def waiting(self) -> int | None:
        """Records on the disk that were not shipped yet, from the first and the last: those in between are all there.
        None if the spool cannot be read, or not at once."""
        try:
            with closing(
                sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)
            ) as connection:
                first, last = (
                    connection.execute(f"SELECT {which}(number) FROM records").fetchone()[0] for which in ("min", "max")
                )
        except sqlite3.Error:
            return None
        return 0 if first is None or last is None else last - first + 1

    def _give_up(self, requests: int) -> None:
        with self._counts:
            self.lost += requests

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        ends = False
        while not ends:
            batch = [self._queue.get()]
            while len(batch) < MOST_AT_ONCE and not self._queue.empty():
                batch.append(self._queue.get())
            ends, waiting = None in batch, [one for one in batch if one is not None]
            try:
                if connection is None:
                    connection = opened(self.path)
                with connection:
                    connection.executemany(INSERT, [row for one in waiting for row in one.rows])
                kept = True
            except (sqlite3.Error, OSError) as error:
                kept = False
                connection = _closed(connection)
                self._turn_off(type(error).__name__ if not str(error) else str(error), len(waiting))
            if kept and self.off:
                LOG.error(f"traffic is noted again; {self.lost:,} requests were not noted since the start")
                self.off = ""
            for one in waiting:
                one.done.set_result(kept)
        _closed(connection)

    def _turn_off(self, why: str, requests: int) -> None:
        self._give_up(requests)
        if not self.off:
            LOG.error(f"TRAFFIC IS NOT NOTED: {self.path}: {why}. Answers go on; tried again every {PAUSE_SECONDS:g} s")
        self.off, self._until = why, time.monotonic() + PAUSE_SECONDS


def _closed(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        try:
            connection.close()
        except sqlite3.Error:
            LOG.error("the traffic spool was not closed")


def opened(path: Path) -> sqlite3.Connection:
    """The spool, made if there is none; nobody else may read it.

    Raises:
        sqlite3.Error, OSError: it cannot be made, or is no spool.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its log the same mode
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        connection.executescript(TABLES)
        with connection:
            connection.execute("INSERT INTO about SELECT ? WHERE NOT EXISTS (SELECT 1 FROM about)", (uuid.uuid4().hex,))
    except BaseException:
        connection.close()
        raise
    return connection


class Reader:
    """What lies in a spool, for the one who ships it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path
        self.id = str(connection.execute("SELECT id FROM about").fetchone()[0])

    def waiting(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM records").fetchone()[0])

    def batch(self, most: int) -> list[Spooled]:
        """The oldest records."""
        rows = self._connection.execute(
            "SELECT number, use_case, kind, record FROM records ORDER BY number LIMIT ?", (most,)
        )
        return [Spooled(number, use_case, kind, json.loads(record)) for number, use_case, kind, record in rows]

    def remove(self, last: int) -> None:
        """Every record up to this number, from the disk too."""
        with self._connection:
            self._connection.execute("DELETE FROM records WHERE number <= ?", (last,))
        self._truncate()

    def set_aside(self, numbers: Sequence[int]) -> None:
        """Keeps records that fit no table, so that they hold up no other."""
        with self._connection:
            self._connection.executemany(
                "INSERT OR IGNORE INTO damaged SELECT * FROM records WHERE number = ?", [(one,) for one in numbers]
            )

    def remove_texts_of(self, use_case: str, subject: str) -> int:
        """The texts of a person.

        Raises:
            TransientError: they are removed, but still in the log on the disk, which another process reads.
        """
        which = "WHERE use_case = ? AND kind = 'texts' AND json_extract(record, '$.subject') = ?"
        with self._connection:
            gone = sum(
                self._connection.execute(f"DELETE FROM {table} {which}", (use_case, subject)).rowcount
                for table in ("records", "damaged")
            )
        if not self._truncate():
            raise TransientError(f"{self._path} is being read, so removed texts are still on the disk", "Try again")
        return gone

    def _truncate(self) -> bool:
        """Empties the log; False while another process reads it."""
        return not self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]


@contextmanager
def reading(path: Path) -> Iterator[Reader | None]:
    """One reader at a time; None: there is no spool.

    Raises:
        TransientError: it cannot be read.
    """
    if not path.exists():
        yield None
        return
    try:
        with locked(path.with_suffix(".shipping")), closing(opened(path)) as connection:
            yield Reader(connection, path)
    except (sqlite3.Error, PermissionError) as error:
        raise TransientError(
            f"{path} cannot be read: {error}", "Ship as the user who runs the server: ft traffic --ship"
        ) from None
