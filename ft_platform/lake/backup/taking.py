"""A backup of a whole installation: what lies outside the lake first, then the lake, so that the instance knows of no
version that is not there.

What has not changed since the backup before is neither read nor stored again. Personal data is in it, encrypted block
by block; an erasure takes a new backup and destroys the keys of everything that only earlier ones hold, so it reaches
every copy of them (docs/adr/0031)."""

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from ft_platform import __version__
from ft_platform.errors import ConfigError, VersionRefused
from ft_platform.lake.backup.installation import DUMP, dumped, files_of, place_of, postgres_of, readable, version_of
from ft_platform.lake.backup.moment import STREAMS, Log, Moment, Opened, Tell, take_lake
from ft_platform.lake.backup.repository import Backup, Repository, Saved, new_id
from ft_platform.lake.opening import open_lake
from ft_platform.lake.places import Places
from ft_platform.use_case.settings.environment import Environment

LAKE = "lake/"


def repository_of(environment: Environment) -> Repository:
    """Where backups of an installation lie.

    Raises:
        ConfigError: nobody said where, or in a place that would be part of the backup.
    """
    settings = environment.backup
    if settings is None:
        raise ConfigError(
            ["there is no place for backups"], "Say where in ft_environment.yaml: backup: {to: PLACE, keys: FOLDER}"
        )
    lake = Places(environment.lake_uri, environment.storage_options())
    own = [environment.home, environment.dagster_home, environment.seals_path]
    inside = [*map(str, own), *([lake.root] if lake.is_local or settings.to.startswith(lake.root) else [])]
    for name, place in (("to", settings.to), ("keys", settings.keys)):
        if any(f"{place}/".startswith(f"{folder}/") for folder in inside):
            raise ConfigError([f"backup.{name}: {place} lies in what is backed up"], "Name another disk or bucket")
    if f"{settings.keys}/".startswith(f"{settings.to}/"):
        raise ConfigError(["backup.keys lies in the backup: an erasure would not reach copies of it"])
    return Repository(settings.to, Path(settings.keys), environment.storage_options())


def take_backup(
    environment: Environment,
    log: Log,
    *,
    end_earlier: bool = False,
    moved: bool = False,
    leave_out: Collection[str] = (),
    tell: Tell = lambda what: None,
) -> Backup:
    """Takes a backup, and ends those that are too many.

    Args:
        log: the audit log.
        end_earlier: end all earlier ones, because of an erasure.
        moved: this home has taken the place of the one that took the backups before.
        leave_out: paths below the root of the lake.

    Raises:
        ConfigError: nobody said where to, or the backups there are of another home.
        TransientError: another process is at it, or the lake changed too fast.
        VersionRefused: earlier ones should end, and this one does not match what was signed; they stay.
    """
    repository, began = repository_of(environment), time.monotonic()
    settings = environment.backup
    assert settings is not None
    with repository.opened(make=True):
        repository.forget_lost()
        ids = repository.readable()
        previous = repository.moment(ids[0]) if ids else Backup("")
        if not moved:
            _require_same_home(environment, previous)
        backup = Backup(new_id(next(iter(repository.ids()), "")))
        tell("what lies outside the lake")
        _take_outside(environment, repository, previous, backup)
        taker = _ToRepository(repository, previous)
        moment = take_lake(open_lake(environment), log, taker, leave_out, tell)
        _add_lake(backup, moment, taker.taken)
        backup.told = {
            "written_by": __version__,
            "home": str(environment.home),
            "files": len(backup.files),
            "bytes": sum(one.size for one in backup.files.values()),
            "new_blocks": repository.written,
            "new_bytes": repository.bytes,
            "seconds": round(time.monotonic() - began, 1),
        }
        repository.add(backup)
        if end_earlier and backup.problems:
            raise VersionRefused(
                f"earlier backups stay: {len(backup.problems):,} files of the new one do not match what was signed",
                "See: ft lake check. Then run it again",
            )
        keep = 1 if end_earlier else settings.keep
        if not backup.problems and len(ids) >= keep:
            tell("earlier backups end")
            repository.keep([backup.id, *ids][:keep])
    return backup


def _require_same_home(environment: Environment, previous: Backup) -> None:
    """A drill or a copy must not end the backups of the installation that it came from. Raises ConfigError."""
    if (home := previous.told.get("home", str(environment.home))) != str(environment.home):
        raise ConfigError(
            [f"the backups in {environment.backup and environment.backup.to} are of the installation in {home}"],
            f"A drill or copy: leave `backup` out of its ft_environment.yaml. Has {environment.home} taken its place?"
            " Then: ft backup --moved",
        )


def _take_outside(environment: Environment, repository: Repository, previous: Backup, backup: Backup) -> None:
    def take(named: tuple[str, Path]) -> tuple[str, Saved | None]:
        name, path = named
        try:
            version, mode = version_of(path), path.stat().st_mode & 0o777
            known = previous.files.get(name)
            if known and known.version == version and repository.holds(known):
                return name, known
            with readable(path) as copy, open(copy, "rb") as file:
                saved = repository.save(file)
            saved.version, saved.mode = version, mode
            return name, saved
        except FileNotFoundError:  # removed since it was listed
            return name, None

    with ThreadPoolExecutor(STREAMS if repository.far else 1) as pool:
        taken = pool.map(take, files_of(environment))
        backup.files |= {name: saved for name, saved in taken if saved}
    above = {str(folder) for name in backup.files for folder in PurePosixPath(name).parents if folder.parts}
    for folder in sorted(above - {"keys"}):
        backup.folders[folder] = place_of(environment, folder).stat().st_mode & 0o777
    if address := postgres_of(environment):
        with dumped(address) as dump, open(dump, "rb") as file:
            backup.files[DUMP] = repository.save(file)


def _add_lake(backup: Backup, moment: Moment, taken: dict[str, Saved]) -> None:
    backup.files |= {LAKE + path: taken[path] for path in moment.files}
    backup.chains = {name: entries[-1].line().decode() for name, entries in moment.chains.items() if entries}
    backup.audit_log = {name: content.decode() for name, content in moment.audit_log.items()}
    backup.problems = moment.problems


class _ToRepository:
    """Takes files of a lake into a backup (`moment.Taker`)."""

    def __init__(self, repository: Repository, previous: Backup) -> None:
        self._repository, self.far = repository, repository.far
        self.taken = {
            path.removeprefix(LAKE): saved
            for path, saved in previous.files.items()
            if path.startswith(LAKE) and repository.holds(saved)
        }

    def held(self, path: str, version: str) -> str | None:
        known = self.taken.get(path)
        return known.sha256 if known and version and known.version == version else None

    def take(self, path: str, version: str, opened: Opened) -> str:
        with opened() as file:
            saved = self._repository.save(file)
        saved.version = version
        self.taken[path] = saved
        return saved.sha256


def listed(environment: Environment) -> list[dict[str, object]]:
    """Backups that can be restored, the newest first."""
    with repository_of(environment).opened() as repository:
        found = [repository.moment(one) for one in repository.readable()]
    return [{"backup": one.id, "problems": len(one.problems), **one.told} for one in found]
