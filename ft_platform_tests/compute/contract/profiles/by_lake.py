"""The stand-in, and its faults."""

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ft_platform.process.family import descendants

RAN_AGAINST = "stand-in"
NOT_RUN = {
    "out_of_memory": "the stand-in limits no memory",
}
CLUSTER = Path(tempfile.mkdtemp(prefix="ft-stand-in-"))
atexit.register(shutil.rmtree, CLUSTER, ignore_errors=True)
REFUSED = {"queue": "none"}


def settings() -> dict[str, Any]:
    return {"options": {"cluster": str(CLUSTER)}}


def _running() -> list[tuple[Path, int]]:
    states = [(one.parent, one.read_text().split()) for one in CLUSTER.glob("*/state")]
    return [(folder, int(words[1])) for folder, words in states if words[0] == "runs"]


def jobs() -> list[str]:
    """That wait or run."""
    return [one.parent.name for one in CLUSTER.glob("*/state") if not one.read_text().startswith("ended")]


def preempt() -> None:
    for folder, _ in _running():
        (folder / "preempt").touch()


def lose_machine() -> None:
    for folder, pid in _running():
        (folder / "lost").touch()
        for one, _ in {*descendants(pid), (pid, "")}:
            os.kill(one, signal.SIGKILL)


@contextmanager
def full() -> Iterator[None]:
    (CLUSTER / "full").touch()
    try:
        yield
    finally:
        (CLUSTER / "full").unlink(missing_ok=True)


@contextmanager
def expired() -> Iterator[None]:
    (CLUSTER / "expired").touch()
    try:
        yield
    finally:
        (CLUSTER / "expired").unlink(missing_ok=True)
