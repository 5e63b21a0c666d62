"""Answers as they come: from threads of the engine to the task that sends them, with a bound on what waits."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from threading import Lock

from ft_platform.serving.api.errors import ApiError
from ft_platform.serving.engine.requests import Event, Finished, Handle


class Events:
    """The events of some answers, each with the number of its answer, until all have finished. Leaving the block
    cancels what has not.

    Args:
        answers: how many will be begun.
        room: events that may wait; when a client takes them too slowly, its answers are cancelled.
        seconds: until the answers must have finished.
    """

    def __init__(self, answers: int, room: int, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + seconds
        self._open = answers
        self._room = room * answers
        self._waiting: deque[tuple[int, Event]] = deque()
        self._lock = Lock()
        self._wake = asyncio.Event()
        self._begun: list[Handle] = []
        self.too_slow = False

    def taker(self, number: int) -> Callable[[Event], None]:
        """What the engine calls with the events of one answer."""
        return partial(self._take, number)

    def add(self, handle: Handle) -> None:
        """What cancels an answer that was begun."""
        self._begun.append(handle)

    def _take(self, number: int, event: Event) -> None:
        """Called by a thread of the engine; never waits."""
        with self._lock:
            if len(self._waiting) >= self._room:
                self.too_slow = True
            else:
                self._waiting.append((number, event))
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._notice)

    def _notice(self) -> None:
        if self.too_slow:
            self.cancel()
        self._wake.set()

    def cancel(self) -> None:
        """Ends what is still being written. May be called again."""
        begun, self._begun = self._begun, []
        for handle in begun:
            handle.cancel()

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    async def __aiter__(self) -> AsyncIterator[tuple[int, Event]]:
        """Raises:
        ApiError: time is over, or the client was too slow.
        """
        while self._open:
            with self._lock:
                found = self._waiting.popleft() if self._waiting else None
                if found is None:
                    self._wake.clear()
            if self.too_slow:
                raise ApiError(408, "the answer was not taken as fast as it was written", "too_slow")
            if self._loop.time() >= self._deadline:
                raise ApiError(504, "the answer took too long", "timeout", retry_after=1)
            if found is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._deadline):
                        await self._wake.wait()
                continue
            self._open -= isinstance(found[1], Finished)
            yield found
