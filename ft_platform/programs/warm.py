"""Starts programs out of a process that has imported what they need: `python -m ft_platform.programs.warm <socket>`, by
the back end `local`.

Importing torch, transformers and peft takes seconds of each program, and a run starts several. This process imports
them once and forks: each program is a process of its own, with its own variables, output and exit code, and begins at
once. Nothing is computed before the fork, so no thread pool and no CUDA context exists yet. One program at a time. It
ends with the process that started it, and so does its program.

Orders over the socket, one JSON object each: `{"program", "variables", "folder"}` with the file descriptors of standard
output and error in; `{"pid"}` and, at the end, `{"exit_code", "cpu_seconds"}` back; an exit code below 0 is the signal
that ended it.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import warnings
from contextlib import suppress

from ft_platform.programs.reporting import prepare_process
from ft_platform.use_case.environment import load_environment

IMPORTED = ("torch", "transformers", "peft", "pandas", "matplotlib.figure")
"""Beside MLflow, where it is a tracker."""
MESSAGE_BYTES = 1 << 20


def main() -> None:
    """Imports, and serves until the other end of the socket closes. In a program's process it returns once that has
    ended."""
    prepare_process()
    # Ctrl-C reaches all processes of a terminal, and this one must outlive its program, which saves its state then.
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    _import()
    channel = socket.socket(fileno=int(sys.argv[1]))
    _tell(channel, ready=True)
    while order := _next_order(channel):
        program, variables, folder, (output, errors) = order
        # The threads that Python 3.12 warns of are those of OpenBLAS, which starts them anew after a fork.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            channel.close()
            for number, handler in before.items():
                signal.signal(number, handler)
            os.chdir(folder)
            _become(program, variables, output, errors)
            return
        os.close(output)
        os.close(errors)
        _tell(channel, pid=pid)
        _tell(channel, **_end_of(pid, channel))


def _import() -> None:
    """What takes long and most programs need. Something that is missing is left to the program, which says so."""
    for module in IMPORTED:
        with suppress(ImportError):
            importlib.import_module(module)
    environment = load_environment()
    if "mlflow" in environment.trackers:
        from ft_platform.tracking.trackers.mlflow import import_library

        with suppress(ImportError):
            import_library(environment.mlflow_uri)
    gc.collect()
    gc.freeze()  # a collection in a program would copy the pages of all that was imported


def _tell(channel: socket.socket, **values: float) -> None:
    with suppress(BrokenPipeError):  # nobody is there any more: the next order is the end
        channel.send(json.dumps(values).encode())


def _next_order(channel: socket.socket) -> tuple[str, dict[str, str], str, list[int]] | None:
    message, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, 2)
    if not message:
        return None
    order = json.loads(message)
    return order["program"], order["variables"], order["folder"], descriptors


def _become(program: str, variables: dict[str, str], output: int, errors: int) -> None:
    """Runs a program in this process as `python -m` does."""
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.close(output)
    os.close(errors)
    os.environ.clear()
    os.environ.update(variables)
    module = f"ft_platform.programs.{program}"
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_of(pid: int, channel: socket.socket) -> dict[str, float]:
    """Waits for a program. Where the other end of the socket closes before, the program is killed."""
    program = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([program, channel], [], [])
        if program not in ready:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(program)
    _, status, used = os.wait4(pid, 0)
    return {"exit_code": os.waitstatus_to_exitcode(status), "cpu_seconds": used.ru_utime + used.ru_stime}


if __name__ == "__main__":
    main()
