"""A server as a process of its own: started, asked, weighed in cpu-seconds and memory, killed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import create_server
from typing import Any

import psutil

JSON = {"Content-Type": "application/json"}
BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""Images of Python often set it; then every start compiles every module, of whichever server."""


def free_port() -> int:
    with create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def post(port: int, path: str, body: Any, timeout: float = 300) -> tuple[int, Any]:
    """Status and body of an answer.

    Args:
        body: bytes, or what becomes JSON.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body), JSON)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text.startswith(b"{") else text
    finally:
        connection.close()


def machine() -> str:
    """Cores and processor of this machine."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return f"{len(os.sched_getaffinity(0))} cores of {name}"


def get(port: int, path: str) -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    found = json.loads(connection.getresponse().read())
    connection.close()
    return found


class Server:
    """One server with its children.

    Args:
        command: `{port}` stands for the port.
        log: file for what it prints.

    Attributes:
        started: monotonic time.
    """

    def __init__(self, command: Sequence[str], log: Path, variables: dict[str, str], port: int | None = None) -> None:
        self.port = port or free_port()
        with log.open("ab") as out:
            self.started = time.monotonic()
            self.process = subprocess.Popen(
                [part.replace("{port}", str(self.port)) for part in command],
                env={**os.environ, **variables, **BYTECODE},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._log = log

    def wait(self, answers: Callable[[int], bool], seconds: float) -> float:
        """Seconds from the start until it answers.

        Raises:
            SystemExit: it ended, or does not answer in time.
        """
        while True:
            try:
                if answers(self.port):
                    return time.monotonic() - self.started
            except (OSError, HTTPException):
                pass
            if self.process.poll() is not None or time.monotonic() - self.started > seconds:
                raise SystemExit(f"the server does not answer; its output is in {self._log}")
            time.sleep(0.02)

    def family(self) -> list[psutil.Process]:
        """The process and what it started, parents first."""
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Of the process and its children so far."""
        return sum(sum(one.cpu_times()[:2]) for one in self.family())

    def megabytes(self) -> float:
        """Memory that is resident."""
        return sum(one.memory_info().rss for one in self.family()) / 1e6

    def stop(self) -> None:
        with suppress(psutil.NoSuchProcess):
            family = self.family()
            for one in family:
                one.terminate()
            for one in psutil.wait_procs(family, timeout=20)[1]:
                one.kill()
        self.process.wait()


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]
