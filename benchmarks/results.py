"""Results of long benchmarks, kept from start to start: a run that was stopped goes on where it was."""

import fcntl
import hashlib
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class NotMeasured(Exception):
    """It is not among the results, and nothing is to be measured."""


def kept(file: Path, measure: Callable[[], Any] | None) -> Any:
    """What was measured before, or what is measured now.

    Raises:
        NotMeasured: nothing was, and `measure` is None.
    """
    if not file.exists():
        if measure is None:
            raise NotMeasured(str(file))
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(json.dumps(measure(), indent=1), encoding="utf-8")
        new.rename(file)
    return json.loads(file.read_text(encoding="utf-8"))


def key_of(about: Any) -> str:
    """16 hex digits of what a result depends on."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def code_hash(*folders: Path) -> str:
    """Of every Python file in these folders."""
    code = hashlib.sha256()
    for file in sorted(file for folder in folders for file in folder.rglob("*.py")):
        code.update(file.read_bytes())
    return code.hexdigest()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One run for each folder; SIGTERM ends it as Ctrl-C does, so that its servers are stopped.

    Raises:
        SystemExit: another run uses the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sys.exit(f"another run uses {folder}; wait for it, or name another folder")
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
