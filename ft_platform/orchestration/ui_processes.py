"""What `ft ui` becomes: `dagster dev` as a child of this process, and an end for all that it starts.

python -m ft_platform.orchestration.ui_processes <command of dagster dev ...>"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType

POLL_SECONDS = 0.2
DAGSTER_SECONDS = 30
"""Time for Dagster's own orderly end: web server, daemon, code server."""

RUN_SECONDS = 25
"""Time for runs to be noted as interrupted; a program gets `compute.grace_seconds` of it."""

KILL_SECONDS = 5


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


def run_until_stopped(command: Sequence[str], stop: StopSignals) -> int:
    """Runs a command until it ends by itself or this process is told to stop. No process it started outlives this.

    Returns:
        0 if it was stopped, else the exit code of the command.
    """
    process = subprocess.Popen(command, start_new_session=True)
    try:
        if not stop.received:
            stop.wait(lambda: process.poll() is not None)
        ended = process.poll()
    finally:
        _end(process, stop)
    return ended if ended is not None else 0


def _end(process: subprocess.Popen, stop: StopSignals) -> None:
    """Ends a process and its session. A further request to stop shortens each wait."""
    process.terminate()
    stop.wait(lambda: process.poll() is not None, DAGSTER_SECONDS)
    for number, seconds in ((signal.SIGTERM, RUN_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        if _signal_group(process, number):
            stop.wait(lambda: not _signal_group(process, 0), seconds)


def _signal_group(process: subprocess.Popen, number: int) -> bool:
    """Whether there is still a process of the group to get the signal; 0 only asks."""
    # What has ended but was not waited for counts as there. As process 1 of a container this process also inherits the
    # children of its children.
    process.poll()
    with suppress(ChildProcessError):
        while os.waitpid(-process.pid, os.WNOHANG)[0]:
            pass
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def main(command: Sequence[str]) -> int:
    """Returns 0 after a stop, or 1 after one clear line on standard error."""
    with StopSignals() as stop:
        code = run_until_stopped(command, stop)
        if not stop.received:
            print(f"ft ui: Dagster ended by itself with code {code}. Its last messages say why", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
