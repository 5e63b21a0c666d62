"""A real web server of Dagster in a process of its own, and raw requests to it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ft_platform_tests.conftest import REPOSITORY

OURS = ("-m", "ft_platform.web.dagster_webserver", "--empty-workspace")
PLAIN = ("-m", "dagster_webserver", "--empty-workspace")
START_SECONDS = 120


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def home_with(folder: Path, settings: str | None = None) -> Path:
    """A DAGSTER_HOME with the repository's settings, or others."""
    home = folder / "dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text(settings if settings is not None else (REPOSITORY / "dagster.yaml").read_text())
    return home


@contextmanager
def webserver(words: tuple[str, ...], home: Path, **variables: str) -> Iterator[int]:
    """A web server that listens; yields its port."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FT_", "DAGSTER_"))}
    made = {**kept, "DAGSTER_HOME": str(home), "FT_HOME": str(home.parent), **variables}
    with (home.parent / f"{port}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *words, "--port", str(port)], env=made, cwd=home.parent, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not listens(port):
            assert process.poll() is None and time.monotonic() < deadline, (home.parent / f"{port}.log").read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def status_of(port: int, head: str, body: bytes = b"") -> int:
    """Status of the answer to a request of which every byte is given."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode("latin1") + b"\r\n" + body)
        with connection.makefile("rb") as answer:
            words = answer.readline().split()
    return int(words[1]) if len(words) > 1 else 0
