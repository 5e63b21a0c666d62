"""Brings to anchors and receivers what they do not have yet, each from where it stopped."""

import json
import time
from itertools import islice
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import CorruptVersion, FtError
from ft_platform.lake.files import locked, write_bytes
from ft_platform.people.audit_log import anchors, receivers
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.use_case.settings.environment import Environment

AT_ONCE = 500
"""Entries that are handed over together."""
SENT = "sent.json"


def send(log: AuditLog, environment: Environment, seconds: float = float("inf")) -> tuple[int, list[str]]:
    """How many entries and checkpoints arrived, and what is wrong with places that took none. They get it next time.

    Args:
        seconds: what is not sent by then waits, too.
    """
    settings, until = environment.audit_log, time.monotonic() + seconds
    head, file = log.head(), log.home / SENT
    if head is None:
        return 0, []
    arrived, problems = 0, []
    with locked(log.home / "sending.lock"):
        sent = read_sent(file)
        for anchor in settings.anchors:
            if sent.get(anchor.uri, 0) == head.entries:
                continue
            try:
                anchors.put(anchor, environment.storage_options(), head.origin, head.entries, head.checkpoint)
                arrived += 1
                _write(file, sent, anchor.uri, head.entries)
            except FtError as error:
                problems.append(error.message)
        for receiver in settings.forward:
            name = receivers.name_of(receiver)
            entries = log.entries(sent.get(name, 0))
            try:
                while time.monotonic() < until and (some := list(islice(entries, AT_ONCE))):
                    receivers.deliver(receiver, some)
                    arrived += len(some)
                    _write(file, sent, name, some[-1].number + 1)
            except FtError as error:
                problems.append(error.message)
    return arrived, problems


def read_sent(file: Path) -> dict[str, int]:
    """Anchor or receiver -> how many entries it has."""
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        problem = f"the file {file} cannot be read ({type(error).__name__})"
        raise CorruptVersion(problem, "Remove it: everything is sent anew") from None


def _write(file: Path, sent: dict[str, int], name: str, entries: int) -> None:
    sent[name] = entries
    write_bytes(LocalFileSystem(), str(file), json.dumps(sent).encode())
