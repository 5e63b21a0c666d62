"""Requests to stop a process that serves."""

import signal
import time
from collections.abc import Callable
from types import FrameType

POLL_SECONDS = 0.2


class StopSignals:
    """Counts requests to stop while it is open: Ctrl-C, SIGTERM, and a closed terminal unless started with nohup.

    A script's `ft ui &` inherits an ignored SIGINT, and Dagster gives SIGTERM the handler of SIGINT: without handlers
    of our own, neither would end it.
    """

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, signal.Handlers | Callable | int | None] = {}

    def __enter__(self) -> "StopSignals":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self.received += 1

    def wait(self, until: Callable[[], bool] = lambda: False, seconds: float = float("inf")) -> bool:
        """Waits until a condition holds, another request to stop comes, or the time is over. Returns the condition."""
        before, end = self.received, time.monotonic() + seconds
        while not (holds := until()) and self.received == before and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
        return holds
