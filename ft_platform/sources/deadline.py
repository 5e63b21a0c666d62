"""A source that stops answering ends with an error, not with a run that waits for ever.

The asking is done in a thread of its own, because the drivers' timeouts do not cover it: libpq (psycopg, ADBC) has none
for a query, and s3fs asks a silent endpoint again for minutes. Nothing ends a thread that waits inside a driver: it is
left alone, at most `MOST_LEFT` for each place, until its driver gives up, the server closes the connection, or the
process ends.

Covered: every call of a driver that lets other threads run while it waits; all that are shipped do. Not covered: what
the server goes on doing, and local files (a network share that hangs).
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from ft_platform.errors import TransientError

T = TypeVar("T")
MOST_LEFT = 8
"""A sensor asks every few seconds: without a bound a silent database would fill the process with threads."""
REMEDY = "Check server and network, or raise source.limits.silent_seconds, then run again"

_left: dict[str, list[threading.Thread]] = {}


def once(work: Callable[[], T]) -> Generator[T, None, None]:
    """One step, for `answered` and `watched`."""
    yield work()


def answered(
    place: str,
    seconds: float,
    steps: Callable[[], Generator[T, None, None]],
    moved: Callable[[], object] = lambda: None,
) -> T:
    """The last of the steps, as `watched` makes them: each one before is progress."""
    *_, last = watched(place, seconds, steps, moved)
    return last


def watched(
    place: str,
    seconds: float,
    steps: Callable[[], Generator[T, None, None]],
    moved: Callable[[], object] = lambda: None,
) -> Iterator[T]:
    """The steps, one by one, made in a thread of their own from beginning to end.

    Args:
        place: what is asked, without credentials, for messages.
        seconds: longest wait for a step.
        moved: what changes while a long step makes progress, e.g. the size of a file.

    Raises:
        TransientError: no step, and no progress, within that time; or too many earlier ones are waited for.
    """
    left = _left[place] = [thread for thread in _left.get(place, []) if thread.is_alive()]
    if len(left) >= MOST_LEFT:
        raise TransientError(
            f"{place} still owes {len(left)} earlier answers, and is not asked again by this process until then", REMEDY
        )
    asked: SimpleQueue[bool] = SimpleQueue()
    made: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    thread = threading.Thread(
        target=copy_context().run, args=(_make, steps, asked, made), daemon=True, name="ft-source"
    )
    thread.start()
    waiting = False
    try:
        while True:
            waiting = True
            asked.put(True)
            step, error = _next(made, place, seconds, moved)
            waiting = False
            if isinstance(error, StopIteration):
                return
            if error:
                raise error
            yield step
    finally:
        asked.put(False)
        if waiting:
            left.append(thread)
        else:
            thread.join(seconds)  # it closes its connection


def _make(
    steps: Callable[[], Generator[T, None, None]],
    asked: "SimpleQueue[bool]",
    made: "SimpleQueue[tuple[Any, BaseException | None]]",
) -> None:
    try:
        with closing(steps()) as found:
            while asked.get():
                made.put((next(found), None))
    except BaseException as error:  # raised again where the step is waited for
        made.put((None, error))


def _next(
    made: "SimpleQueue[tuple[Any, BaseException | None]]", place: str, seconds: float, moved: Callable[[], object]
) -> tuple[Any, BaseException | None]:
    since, seen = time.monotonic(), moved()
    while True:
        try:
            return made.get(timeout=min(1.0, seconds / 4))
        except Empty:
            if (now := moved()) != seen:
                since, seen = time.monotonic(), now
            elif time.monotonic() - since >= seconds:
                raise TransientError(f"{place} has not answered for {seconds:g} seconds", REMEDY) from None
