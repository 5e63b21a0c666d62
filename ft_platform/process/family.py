"""A process and all that it has started, directly or not. Linux tells; elsewhere nothing is known of them."""

import os
import signal
from contextlib import suppress
from pathlib import Path

Member = tuple[int, str]
"""Process id, and when it started: the two together name a process for good."""


def descendants(pid: int) -> set[Member]:
    """What runs now and was started by the process, or by what it has started."""
    children: dict[int, set[Member]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if status := _status(int(folder.name)):
            children.setdefault(int(status[1]), set()).add((int(folder.name), status[19]))
    found: set[Member] = set()
    parents = [pid]
    while parents:
        new = children.get(parents.pop(), set()) - found
        found |= new
        parents += [child for child, _ in new]
    return found


def kill_all(members: set[Member]) -> None:
    """Ends those that still run, by SIGKILL."""
    for pid, started in members:
        if (status := _status(pid)) and status[19] == started:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def started(pid: int) -> str | None:
    """When a process was started, in the words of the system: with its id it names the process. None: there is none."""
    status = _status(pid)
    return status[19] if status else None


def _status(pid: int) -> list[str] | None:
    """Fields of `/proc/<pid>/stat` from the state on (proc(5)): 0 state, 1 parent, 19 start time."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].decode().split()
    except (OSError, IndexError):
        return None
