"""What `ft ui` becomes: `dagster dev` as a child of this process, and an end for all that it starts.

python -m ft_platform.orchestration.ui_processes <command of dagster dev ...>"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from ft_platform.orchestration.stop_signals import StopSignals

DAGSTER_SECONDS = 30
"""Time for Dagster's own orderly end: web server, daemon, code server."""

RUN_SECONDS = 25
"""Time for runs to be noted as interrupted; a program gets `compute.grace_seconds` of it."""

KILL_SECONDS = 5


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
