"""A power failure keeps what was written: every file is flushed under its first name, and its folder after it has its
last one. `conftest` switches flushing off for all other tests, so it is recorded here."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ft_platform.lake.backup.restoring import restore
from ft_platform.lake.backup.taking import take_backup
from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import note
from ft_platform.serving.live import Live, write_live
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.settings.backup import BackupSettings
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.governance.house import House, rows

Event = tuple[str, str, str, int]
"""`("flushed", path, place in the code, bytes)` or `("renamed", before, after, 0)`."""
MADE_AGAIN = ("/locks/", "/lock", "/verified/", "/.scratch", ".lock", "/cache/", "-wal", "-shm", "/findings/")
"""What may be lost, or is written by a library of its own."""


class Recorded:
    """Flushes and renames of this process, in their order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[Event] = []
        monkeypatch.setattr(os, "fsync", self._flush)
        for name in ("rename", "replace", "link"):
            monkeypatch.setattr(os, name, self._renaming(getattr(os, name)))

    def _flush(self, descriptor: Any) -> None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        frame = sys._getframe(1)
        while frame.f_back and frame.f_code.co_name == "fsync_path":
            frame = frame.f_back
        at = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        size = os.fstat(number).st_size
        self.events.append(("flushed", os.readlink(f"/proc/self/fd/{number}"), at, size))

    def _renaming(self, rename: Callable[..., None]) -> Callable[..., None]:
        def renamed(before: Any, after: Any, **options: Any) -> None:
            rename(before, after, **options)
            self.events.append(("renamed", os.path.abspath(before), os.path.abspath(after), 0))

        return renamed


def lost(events: list[Event], home: Path) -> list[str]:
    """Files and folders of which a power failure may take the content or the name."""
    flushed: dict[str, int] = {}
    sizes: dict[str, int] = {}
    renamed: dict[str, int] = {}
    for number, (what, path, after, size) in enumerate(events):
        if what == "flushed":
            flushed[path], sizes[path] = number, size
            continue
        for known in (flushed, sizes, renamed):
            for one in [one for one in known if f"{one}/".startswith(f"{path}/")]:
                known[after + one[len(path) :]] = known.pop(one)
        renamed[after] = number
    found = []
    for path in sorted(map(str, home.rglob("*"))):
        if any(part in path for part in MADE_AGAIN):
            continue
        is_file = not os.path.isdir(path)
        if is_file and sizes.get(path) != os.path.getsize(path):
            found.append(f"{path}: its content")
        elif (is_file or path in renamed) and flushed.get(os.path.dirname(path), -1) < renamed.get(path, 0):
            found.append(f"{path}: its name")
    return found


def needed(events: list[Event], *homes: Path) -> set[str]:
    """Places in the code without whose flushes something may be lost."""
    places = {place for what, _, place, _ in events if what == "flushed"}
    without = {place: [one for one in events if one[0] != "flushed" or one[2] != place] for place in places}
    return {place for place, rest in without.items() if any(lost(rest, home) for home in homes)}


def test_what_was_written_survives_a_power_failure(
    environment: Environment, quick_stages: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    settings = BackupSettings(to=str(tmp_path / "backups"), keys=str(tmp_path / "keys"))
    environment = environment.model_copy(update={"home": tmp_path / "new", "lake_root": "", "backup": settings})
    recorded = Recorded(monkeypatch)
    create_pseudonym_key(environment)
    noticed = needed(recorded.events, environment.home)
    house = House(environment)
    house.write(rows(4))
    house.build(checkpoint="ckpt-first")
    note(house.lake, "", "settings", "began")
    write_live(environment.home, "tests", Live(("release-1",)))
    names = {path.name for path in environment.home.rglob("*")}
    assert {"manifest.json", "signing.key", "pseudonym.key", "keys.json", "checkpoint.txt", "_delta_log"} <= names
    assert "\n".join(lost(recorded.events, environment.home)) == ""
    take_backup(environment, AuditLog(open_lake(environment)))
    drill = environment.model_copy(update={"home": tmp_path / "drill"})
    restore(drill)
    assert lost(recorded.events, tmp_path / "drill") == lost(recorded.events, tmp_path / "backups") == []

    places = {place for what, _, place, _ in recorded.events if what == "flushed"}
    noticed |= needed(recorded.events, environment.home, drill.home, tmp_path / "backups", tmp_path / "keys")
    assert len(places) > 10 and places - noticed == set(), "this test would not notice if these were left out"
