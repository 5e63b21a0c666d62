"""The Dagster instance of an installation: created once from the packaged settings, and opened by whoever only looks."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from ft_platform.environment import Environment, create_pseudonym_key
from ft_platform.errors import ConfigError
from ft_platform.lake.modes import close_zone

INSTANCE_SETTINGS = Path(__file__).parent / "dagster.yaml"
"""The settings that a new instance gets. `dagster.yaml` at the root of the repository is the same file, for Dagster's own commands."""


def prepare_home(environment: Environment) -> None:
    """Creates the folders, the key and the Dagster instance of an installation, once, however many processes start.

    Raises:
        ConfigError: the instance has no settings yet and the packaged ones are missing: without them nothing would limit the pool
            `gpu`, and two trainings would share one device.
    """
    from ft_platform.loading import prepare_variables

    prepare_variables()
    home = environment.dagster_home
    close_zone(home)
    os.environ["DAGSTER_HOME"] = str(home)
    with _lock(home):
        create_pseudonym_key(environment)
        if not (home / "dagster.yaml").exists():
            if not INSTANCE_SETTINGS.exists():
                raise ConfigError([f"the settings of the Dagster instance are missing: there is no {INSTANCE_SETTINGS}"], "Install ft-platform again")
            shutil.copy(INSTANCE_SETTINGS, home / "dagster.yaml")
        with dg.DagsterInstance.get() as instance:
            _create_storage(instance)


@contextmanager
def existing_instance(environment: Environment) -> Iterator[dg.DagsterInstance | None]:
    """The instance of an installation, or None where nothing ever ran. Creates nothing."""
    home = environment.dagster_home
    if not (home / "dagster.yaml").exists():
        yield None
        return
    with _lock(home):
        instance = dg.DagsterInstance.from_config(str(home))
        _create_storage(instance)
    with instance:
        yield instance


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    """Two processes that create the instance's sqlite files at once can leave them unusable for good."""
    with open(home / ".create.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _create_storage(instance: dg.DagsterInstance) -> None:
    instance.get_run_records(limit=1)
    instance.get_latest_materialization_event(dg.AssetKey("none"))
