"""The Dagster instance of an installation: created once from the packaged settings, and opened by whoever only
looks."""

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import yaml
from dagster_shared.check import CheckError
from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import ConfigError, FtError, StateDamaged
from ft_platform.lake.files import write_bytes
from ft_platform.lake.modes import close_zone
from ft_platform.orchestration.shared import prepare_variables
from ft_platform.process.system_errors import in_words
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.environment_file import beside_environment_file, note_environment_file
from ft_platform.use_case.yaml_file import read_bytes

INSTANCE_SETTINGS = Path(__file__).parent.parent / "dagster.yaml"
"""The settings that a new instance gets where no `dagster.yaml` lies beside `ft_environment.yaml`. That at the root of
the repository is the same file, for Dagster's own commands."""

RESTORE = "Correct it, or move it away: the next run writes the packaged settings"


def prepare_home(environment: Environment) -> None:
    """Creates the folders, the key and the Dagster instance of an installation, once, however many processes start.

    Raises:
        ConfigError: the instance has no settings yet and the packaged ones are missing: without them nothing would
            limit the pool `gpu`, and two trainings would share one device.
    """
    prepare_variables()
    home = environment.dagster_home
    with told(home):
        _prepare(environment, home)


def _prepare(environment: Environment, home: Path) -> None:
    close_zone(home)
    os.environ["DAGSTER_HOME"] = str(home)
    with _lock(home):
        create_pseudonym_key(environment)
        note_environment_file(environment.home)
        if not (home / "dagster.yaml").exists():
            settings = beside_environment_file("dagster.yaml") or INSTANCE_SETTINGS
            if not settings.exists():
                problem = f"the settings of the Dagster instance are missing: there is no {settings}"
                raise ConfigError([problem], "Install ft-platform again")
            shutil.copyfile(settings, home / "dagster.yaml")
        _mend(home / "dagster.yaml")
        with _opened(home) as instance:
            _create_storage(instance)


GUARD = """
# Writes only what may be shown, and puts a guard before the web server of `dagster dev`, `dg dev` and `dagster-webserver`.
instance_class:
  module: ft_platform.redaction.instance
  class: RedactingInstance
"""  # noqa: E501


MOVED = {"module: ft_platform.run_launcher\n": "module: ft_platform.orchestration.run_launcher\n"}
"""Lines of a dagster.yaml of version 0.1, and what they are now."""


def _mend(settings: Path) -> None:
    """Settings of an instance that is older than the guard, or that lost it, name it again; and the classes that have
    moved since."""
    try:
        text = read_bytes(settings).decode()
        found = yaml.safe_load(text)
    except (FtError, OSError, ValueError, yaml.YAMLError):  # told where the instance is opened
        return
    mended = text
    for before, now in MOVED.items():
        mended = mended.replace(before, now)
    if (found is None or isinstance(found, dict)) and "instance_class" not in (found or {}):
        mended = mended.rstrip("\n") + "\n" + GUARD
    place = settings.resolve()
    if mended != text and os.access(place, os.W_OK) and os.access(place.parent, os.W_OK):
        write_bytes(LocalFileSystem(), str(place), mended.encode(), stat.S_IMODE(place.stat().st_mode))


@contextmanager
def existing_instance(environment: Environment) -> Iterator[dg.DagsterInstance | None]:
    """The instance of an installation, or None where nothing ever ran. Creates nothing.

    Raises:
        FtError: its settings or databases cannot be used; also of what is asked of it.
    """
    home = environment.dagster_home
    if not (home / "dagster.yaml").exists():
        yield None
        return
    with told(home):
        with _lock(home):
            instance = _opened(home)
            _create_storage(instance)
        with instance:
            yield instance


@contextmanager
def told(home: Path) -> Iterator[None]:
    """Full disks, missing rights and damaged databases of an instance become errors that say what to do."""
    try:
        yield
    except FtError:
        raise
    except Exception as error:
        if found := in_words(error, home):
            raise found from error
        raise


def _opened(home: Path) -> dg.DagsterInstance:
    path = home / "dagster.yaml"
    try:
        read_bytes(path)  # Dagster would wait for a pipe
        return dg.DagsterInstance.from_config(str(home))
    except (OSError, yaml.YAMLError, dg.DagsterError, CheckError, ImportError, AttributeError, ValueError) as error:
        if found := in_words(error, home):
            raise found from error
        line = f":{mark.line + 1}" if (mark := getattr(error, "problem_mark", None)) else ""
        said = (
            getattr(error, "problem", None)
            or next((one.message for one in getattr(error, "errors", [])), "")
            or (isinstance(error, OSError) and error.args[0])
        )
        what = " ".join(str(said or "they are not those of a Dagster instance").split()).split(" Expected: ")[0]
        raise StateDamaged(f"Dagster's settings cannot be used: {what} ({path}{line})", RESTORE) from error


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    """Two processes that create the instance's sqlite files at once can leave them unusable for good. Locks the folder
    itself, which nobody may be able to write: in containers it lies on a read-only root."""
    lock = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _create_storage(instance: dg.DagsterInstance) -> None:
    instance.get_run_records(limit=1)
    instance.get_latest_materialization_event(dg.AssetKey("none"))
