"""Puts a backup back, into the empty places that this environment names. Killed anywhere, it goes on where it was.

A point in time is one of the lake, the instance and the tracker. Who may do what, keys and the audit log come from the
newest backup, whatever point is asked for: nobody gets back a right that was taken away, and no entry is lost.

Covered: every block and file is compared with its hash; chains and audit log are known to the installation again, also
where the lake moved to another place. Not covered: settings and use cases (they lie in git), keys in a key service."""

import hashlib
import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ft_platform.errors import ConfigError, CorruptVersion
from ft_platform.lake.backup.copying import LOCAL, write_heads
from ft_platform.lake.backup.installation import DUMP, place_of, postgres_of, roots, undump
from ft_platform.lake.backup.moment import AUDIT_LOG, CHAIN, STREAMS, Tell, listing
from ft_platform.lake.backup.repository import Backup, Repository, Saved
from ft_platform.lake.backup.taking import LAKE, repository_of
from ft_platform.lake.files import fsync_path, sha256_file, write_bytes
from ft_platform.lake.journal import Entry
from ft_platform.lake.modes import close_zone
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.environment import Environment

UNDER_WAY = ".restoring"
"""File in the home while a backup is put back: its id, and whether the dump is in its database."""
NEWEST = ("home/people/", "home/vault/", "keys/", "seals/", f"{LAKE}{AUDIT_LOG}/")
"""What is never put back to an older state."""


@dataclass(frozen=True)
class Restored:
    """What was put back."""

    backup: str
    files: int
    bytes: int
    problems: list[str]


def restore(environment: Environment, at: str = "", tell: Tell = lambda what: None) -> Restored:
    """Puts a backup back.

    Args:
        at: the newest one that is not after this, as `2027-03-01` or an id; empty: the newest.

    Raises:
        ConfigError: there is none, or something is at the places where it belongs.
        CorruptVersion: something was changed in the backup.
        KeyMissing: the keys are not here.
    """
    with repository_of(environment).opened() as repository:
        backup = _chosen(repository, at)
        _require_empty(environment, backup.id)
        if not (environment.home / UNDER_WAY).exists():
            write_bytes(LOCAL, str(environment.home / UNDER_WAY), backup.id.encode())
        _put_outside(environment, repository, backup, tell)
        lake = open_lake(environment)
        _put_lake(lake, repository, backup, tell)
    assert lake.signing is not None
    entries = {name: [Entry(**json.loads(line))] for name, line in backup.chains.items()}
    write_heads(lake.signing, lake, entries, {name: text.encode() for name, text in backup.audit_log.items()})
    for use_case in entries:
        if (seals := lake.seals(use_case)) and (wrong := seals.journal.verify_signatures()):
            raise CorruptVersion(f"the chain of signatures {wrong[0]}", "Take another backup: ft restore --list")
    (environment.home / UNDER_WAY).unlink()
    return Restored(backup.id, len(backup.files), sum(one.size for one in backup.files.values()), backup.problems)


def check(environment: Environment, at: str = "", tell: Tell = lambda what: None) -> Restored:
    """Reads and compares every block of a backup, and writes nothing."""
    with repository_of(environment).opened() as repository:
        backup = _chosen(repository, at)

        def compare(named: tuple[str, Saved]) -> None:
            hasher = hashlib.sha256()
            for piece in repository.load(named[1]):
                hasher.update(piece)
            _require_equal(named[0], hasher.hexdigest(), named[1])

        _all(compare, list(backup.files.items()), repository.far, tell)
    return Restored(backup.id, len(backup.files), sum(one.size for one in backup.files.values()), backup.problems)


def _chosen(repository: Repository, at: str) -> Backup:
    """The backup of a point in time, with what is never put back taken from the newest one."""
    ids = repository.readable()
    wanted = "".join(letter for letter in at if letter.isalnum())
    chosen = next((one for one in ids if one[: len(wanted)] <= wanted or not wanted), None)
    if chosen is None:
        when = f" of {at} or before" if at else ""
        raise ConfigError(
            [f"there is no backup{when} in {repository.uri} that can be opened"], "See: ft restore --list"
        )
    backup = repository.moment(chosen)
    if chosen == ids[0]:
        return backup
    newest = repository.moment(ids[0])
    files = {name: one for name, one in backup.files.items() if not name.startswith(NEWEST)}
    files |= {name: one for name, one in newest.files.items() if name.startswith(NEWEST)}
    return replace(backup, files=files, audit_log=newest.audit_log)


def _require_empty(environment: Environment, wanted: str) -> None:
    """Raises ConfigError if something is there that this restore did not bring."""
    marker = environment.home / UNDER_WAY
    lake = open_lake(environment)
    if marker.is_file() and marker.read_text().split()[0] == wanted:
        for folder in [*roots(environment).values(), *([Path(lake.folder)] if lake.is_local else [])]:
            for path in folder.rglob(".*.tmp"):  # that a killed restore was writing
                path.unlink(missing_ok=True)
        return
    taken = [str(folder) for folder in roots(environment).values() if folder.is_dir() and any(folder.iterdir())]
    if listing(lake):
        taken.append(lake.root)
    if taken:
        raise ConfigError(
            [f"something is in {taken[0]}, and a restore writes over nothing"],
            "Move it aside, or set FT_HOME and FT_LAKE_ROOT to empty places",
        )


def _put_outside(environment: Environment, repository: Repository, backup: Backup, tell: Tell) -> None:
    tell("what lies outside the lake")
    files = {name: one for name, one in backup.files.items() if not name.startswith(LAKE) and name != DUMP}
    for name in ("home/", "seals/"):
        folder = roots(environment)[name.rstrip("/")]
        folder.mkdir(parents=True, exist_ok=True)
    for name, mode in sorted(backup.folders.items()):
        place_of(environment, name).mkdir(parents=True, exist_ok=True, mode=0o700)
        place_of(environment, name).chmod(mode)

    def put(named: tuple[str, Saved]) -> None:
        name, saved = named
        path = place_of(environment, name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if saved.mode & 0o077 == 0 else 0o777)
        _put(repository, name, saved, path)
        path.chmod(saved.mode)

    _all(put, list(files.items()), repository.far, tell)
    marker = environment.home / UNDER_WAY
    if DUMP in backup.files and DUMP not in marker.read_text():
        if not (address := postgres_of(environment)):
            raise ConfigError(["the backup has a dump of PostgreSQL, and dagster.yaml names no PostgreSQL"])
        with tempfile.TemporaryDirectory(prefix="ft-restore-") as folder:
            dump = Path(folder) / "dagster.dump"
            _put(repository, DUMP, backup.files[DUMP], dump)
            undump(address, dump)
        write_bytes(LOCAL, str(marker), f"{backup.id} {DUMP}".encode())


def _put_lake(lake: Lake, repository: Repository, backup: Backup, tell: Tell) -> None:
    """The chains last: without them nothing counts."""
    files = {name.removeprefix(LAKE): one for name, one in backup.files.items() if name.startswith(LAKE)}
    if lake.is_local:
        close_zone(Path(lake.folder, AUDIT_LOG))
    for zone in {path.split("/")[0] for path in files}:
        lake.close_zone(zone)

    def put(named: tuple[str, Saved]) -> None:
        path, saved = named
        place = f"{lake.folder}/{path}"
        if lake.is_local:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            _put(repository, path, saved, Path(place))
            lake.settle(place)
            return
        with tempfile.TemporaryDirectory(prefix="ft-restore-") as folder:
            _put(repository, path, saved, Path(folder) / "file")
            lake.fs.put_file(str(Path(folder) / "file"), place)

    far = repository.far or not lake.is_local
    _all(put, [one for one in files.items() if not CHAIN.match(one[0])], far, tell)
    _all(put, [one for one in files.items() if CHAIN.match(one[0])], far, tell)


def _put(repository: Repository, name: str, saved: Saved, path: Path) -> None:
    """Writes a file, whole or not at all; one that is there is left."""
    if path.is_file() and path.stat().st_size == saved.size and sha256_file(path) == saved.sha256:
        return
    with _beside(path) as temporary:
        hasher = hashlib.sha256()
        with open(temporary, "xb") as file:
            for piece in repository.load(saved):
                hasher.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        _require_equal(name, hasher.hexdigest(), saved)
        os.replace(temporary, path)
    fsync_path(path.parent)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _require_equal(name: str, digest: str, saved: Saved) -> None:
    if digest != saved.sha256:
        raise CorruptVersion(f"{name} is not what was backed up", "Take another backup: ft restore --list")


def _all(put: Callable[[tuple[str, Saved]], None], files: list[tuple[str, Saved]], far: bool, tell: Tell) -> None:
    with ThreadPoolExecutor(STREAMS if far else 2) as pool:
        for done, _ in enumerate(pool.map(put, files), 1):
            if done % 100 == 0 or done == len(files):
                tell(f"{done:,} of {len(files):,} files")
