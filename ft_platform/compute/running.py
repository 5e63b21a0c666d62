"""What back ends share whose program is started and then waited for: the session with it, its time limit and its end.

Dagster is imported when a program runs: back ends are loaded wherever compute profiles are, in programs too.
"""

import signal
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ft_platform.compute.backend import Launch, Running
from ft_platform.errors import TrainingFailed
from ft_platform.process.family import descendants, kill_all

if TYPE_CHECKING:
    import dagster as dg

    from ft_platform.compute.warm import WarmProgram


ROOM_SECONDS = 2.0
"""Between two looks whether a program is to make room."""


class OnThisMachine:
    """A process of this machine, as `Running`."""

    def __init__(self, process: "subprocess.Popen | WarmProgram") -> None:
        self._process = process

    def wait(self, timeout: float) -> int:
        return self._process.wait(timeout=timeout)

    def stop(self, grace_seconds: float) -> None:
        process = self._process
        if process.poll() is not None:
            return
        family = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            family |= descendants(process.pid)
            process.kill()
            process.wait()
        finally:
            kill_all(family)


def _wait(program: Running, launch: Launch) -> int:
    """Its exit code, once it has ended; it is stopped when it is asked to make room.

    Raises:
        subprocess.TimeoutExpired: it runs longer than it may.
    """
    until = time.monotonic() + launch.resources.timeout_seconds
    while True:
        left = until - time.monotonic()
        try:
            return program.wait(max(min(left, ROOM_SECONDS), 0.0))
        except subprocess.TimeoutExpired:
            if left <= ROOM_SECONDS:
                raise
            if launch.make_room():
                program.stop(launch.resources.grace_seconds)


def run_until_end(
    launch: Launch,
    start: Callable[[dict[str, str]], Running],
    variables: dict[str, str],
    messages: "dg.PipesMessageReader | None" = None,
    orders: "dg.PipesContextInjector | None" = None,
) -> dict[str, Any]:
    """Starts a program, passes its messages on while it runs, and returns what it reported at its end.

    Args:
        start: starts it with these environment variables, which hold those that say where orders and messages are.
        variables: of the program.
        messages: where they are read. Default: a file on this machine.
        orders: where they are put. Default: a file on this machine.

    Raises:
        FtError, ProgramKilled, TrainingFailed: as `Backend.run`.
    """
    from dagster import PipesTempFileContextInjector, open_pipes_session

    from ft_platform.compute.pipes import LiveMessageReader, final_values

    limits = launch.resources
    reader = messages or LiveMessageReader(launch.context)
    injector = orders or PipesTempFileContextInjector()
    with open_pipes_session(
        context=launch.context, extras=launch.orders, context_injector=injector, message_reader=reader
    ) as session:
        program = start({**variables, **session.get_bootstrap_env_vars()})
        try:
            exit_code = _wait(program, launch)
        except subprocess.TimeoutExpired:
            minutes = launch.use_case.settings.compute.timeout_minutes
            raise TrainingFailed(
                f"program {launch.program} ran longer than {minutes} minutes", "Raise compute.timeout_minutes"
            ) from None
        finally:
            program.stop(limits.grace_seconds)
    return final_values(list(session.get_custom_messages()), launch.program, exit_code)
