"""Programs that begin at once: forked from a process that has imported what they need (`programs.warm`).

One such process for each process that runs steps, started with its first program, or before it by `begin`. It serves
programs whose variables agree with its own in all that libraries may read when they are imported; for others it is
replaced.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

STARTED_PER_PROGRAM = ("FT_", "DAGSTER_", "PYTEST_CURRENT_TEST")
"""Beginnings of variables that no library reads while it is imported: they may differ from program to program."""
MESSAGE_BYTES = 1 << 16
ACCELERATORS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Devices that the drivers of NVIDIA (also under WSL) and AMD make."""

_lock = threading.Lock()
_server: "_Server | None" = None
_cpu_seconds = 0.0


def possible() -> bool:
    """Whether this system has what it takes (Linux 5.3), no accelerator, and nobody said `FT_WARM_PROGRAMS=0`.

    A library that looks for a GPU while it is imported starts the driver, and a driver that was started does not
    survive a fork."""
    wanted = os.environ.get("FT_WARM_PROGRAMS", "1") != "0"
    return (
        wanted and sys.platform == "linux" and hasattr(os, "pidfd_open") and not any(map(os.path.exists, ACCELERATORS))
    )


def begin(variables: dict[str, str]) -> None:
    """Lets the process import beside what this one does until its first program.

    Does nothing where there is one already, one of its programs is running, or none can be made.
    """
    global _server
    if not _lock.acquire(blocking=False):  # held until a program ends
        return
    try:
        with suppress(OSError):
            _server = _server or _Server(_key(variables), variables)
    finally:
        _lock.release()


def _key(variables: dict[str, str]) -> dict[str, str]:
    """The variables that programs of one process have in common."""
    return {name: value for name, value in variables.items() if not name.startswith(STARTED_PER_PROGRAM)} | {
        "FT_THREADS": variables.get("FT_THREADS", "")
    }


def start(program: str, variables: dict[str, str]) -> "WarmProgram | None":
    """The program, running, with these environment variables and the standard output and error of this process; None
    where another one is running."""
    global _server
    if not _lock.acquire(blocking=False):
        return None
    try:
        key = _key(variables)
        if _server is not None and (_server.key != key or not _server.alive()):
            _server.close()
            _server = None
        _server = _server or _Server(key, variables)
        _server.wait_until_ready()
        return WarmProgram(_server, program, variables)
    except BaseException as error:
        close()
        _lock.release()
        if isinstance(error, OSError):
            return None
        raise


def cpu_seconds() -> float:
    """What all programs that have ended here used: they are no children of this process."""
    return _cpu_seconds


def close() -> None:
    """Ends the process, and a program of it that still runs."""
    global _server
    if _server is not None:
        _server.close()
        _server = None


atexit.register(close)


class _Server:
    """A process of `programs.warm`."""

    def __init__(self, key: dict[str, str], variables: dict[str, str]) -> None:
        self.key, self.owner, self._gone, self._ready = key, os.getpid(), False, False
        self.channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            command = [sys.executable, "-m", "ft_platform.programs.warm", str(other.fileno())]
            own = {name: value for name, value in variables.items() if not name.startswith("DAGSTER_PIPES")}
            self.process = subprocess.Popen(command, env=own, pass_fds=[other.fileno()])

    def wait_until_ready(self) -> None:
        """Until it has imported.

        Raises:
            OSError: it ended before.
        """
        if self._ready:
            return
        if not self.receive(None).get("ready"):
            self.close()
            raise OSError("the process that starts programs ended before it was ready")
        self._ready = True

    def alive(self) -> bool:
        return self.owner == os.getpid() and not self._gone and self.process.poll() is None

    def receive(self, timeout: float | None) -> dict[str, Any]:
        """The next message; empty once the process is gone.

        Raises:
            TimeoutError: nothing came in `timeout` seconds.
        """
        self.channel.settimeout(timeout)
        try:
            message = self.channel.recv(MESSAGE_BYTES)
        except ConnectionError:
            message = b""
        self._gone = not message  # a process that is being killed lives on for a moment after its end of the socket
        return json.loads(message) if message else {}

    def close(self) -> None:
        self.channel.close()
        if self.owner == os.getpid():
            if not self._ready:
                self.process.kill()  # it looks at its orders after the imports only, and has no program yet
            self.process.wait()


class WarmProgram:
    """A running program, with the methods of `subprocess.Popen` that a back end needs.

    Attributes:
        pid: of its process.
        returncode: minus the signal that ended it; None while it runs.
    """

    def __init__(self, server: _Server, program: str, variables: dict[str, str]) -> None:
        self.returncode: int | None = None
        self._server, self._program = server, program
        order = json.dumps({"program": program, "variables": variables, "folder": os.getcwd()}).encode()
        socket.send_fds(server.channel, [order], [1, 2])
        told = server.receive(None)
        if "pid" not in told:
            raise OSError("the process that starts programs ended")
        self.pid: int = told["pid"]

    def poll(self) -> int | None:
        try:
            return self.wait(0.001)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        global _cpu_seconds
        if self.returncode is None:
            try:
                told = self._server.receive(timeout)
            except TimeoutError:
                raise subprocess.TimeoutExpired(self._program, timeout or 0.0) from None
            # The server was killed: its program gets the same signal.
            self.returncode = int(told.get("exit_code", -signal.SIGKILL))
            _cpu_seconds += float(told.get("cpu_seconds", 0.0))
            _lock.release()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
