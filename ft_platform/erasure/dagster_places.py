"""Where Dagster keeps runs, events and output, as its `dagster.yaml` says."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from ft_platform.errors import ConfigError
from ft_platform.use_case.settings.environment import Environment

FILE = "dagster.yaml"
INSIDE = ("history", "schedules", "storage", "logs", "restricted")
"""Folders that Dagster, and what withholds texts from it, make in a home."""
LEGACY = ("run_storage", "event_log_storage", "schedule_storage")
DRIVERS = ("psycopg2", "psycopg")


@dataclass
class DagsterPlaces:
    """Places of one instance.

    Attributes:
        databases, output: folders with databases in SQLite, and with what steps printed.
        postgres: addresses of databases in PostgreSQL, with their passwords.
    """

    databases: list[Path] = field(default_factory=list)
    output: list[Path] = field(default_factory=list)
    postgres: list[str] = field(default_factory=list)

    @property
    def folders(self) -> list[Path]:
        return [folder for folder in dict.fromkeys([*self.databases, *self.output]) if folder.is_dir()]


def dagster_places(environment: Environment) -> DagsterPlaces:
    """The places of the instance of an installation.

    Raises:
        ConfigError: its `dagster.yaml` names a storage that nothing here can search.
    """
    home, found = environment.dagster_home, DagsterPlaces()
    try:
        said = yaml.safe_load((home / FILE).read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        said = {}
    roots = [home, *_folders(said.get("local_artifact_storage"))]
    found.output += [root / name for root in dict.fromkeys(roots) for name in INSIDE]
    found.databases += found.output
    found.output += [one for one in _folders(said.get("compute_logs")) if not environment.home.is_relative_to(one)]
    kept = [(name, config or {}) for name, config in (said.get("storage") or {}).items()]
    kept += [(_kind(said[name]), said[name].get("config") or {}) for name in LEGACY if said.get(name)]
    for kind, config in kept:
        if kind == "sqlite":
            found.databases += [Path(folder) for folder in [_value(config.get("base_dir"))] if folder]
        elif kind == "postgres":
            found.postgres = list(dict.fromkeys([*found.postgres, _address(config)]))
        else:
            raise ConfigError(
                [f"{home / FILE} names the storage {kind!r}, which an erasure cannot search"],
                "Storage that it can search: sqlite, postgres",
            )
    return found


def _folders(said: Mapping[str, Any] | None) -> list[Path]:
    folder = _value(((said or {}).get("config") or {}).get("base_dir"))
    return [Path(folder)] if folder else []


def _kind(said: Mapping[str, Any]) -> str:
    module = str(said.get("module", ""))
    return next((kind for kind in ("sqlite", "postgres") if kind in module), module)


def _value(said: Any) -> str:
    """A setting, which may be the name of a variable."""
    return os.environ.get(said["env"], "") if isinstance(said, Mapping) and "env" in said else str(said or "")


def _address(config: Mapping[str, Any]) -> str:
    """Of a database, as dagster-postgres reads it."""
    if url := _value(config.get("postgres_url")):
        return url
    said = config.get("postgres_db") or {}
    parts = {name: _value(said.get(name)) for name in ("username", "password", "hostname", "db_name", "scheme")}
    who = quote(parts["username"], safe="") + (f":{quote(parts['password'], safe='')}" if parts["password"] else "")
    query = f"?{urlencode(said['params'])}" if said.get("params") else ""
    port = _value(said.get("port")) or "5432"
    return f"{parts['scheme'] or 'postgresql'}://{who}@{parts['hostname']}:{port}/{parts['db_name']}{query}"


def with_driver(address: str) -> str:
    """The address with a driver that is here: SQLAlchemy alone would look for one of them only."""
    scheme, rest = address.split("://", 1)
    name, _, driver = scheme.partition("+")
    if driver and find_spec(driver):
        return address
    here = next((one for one in DRIVERS if find_spec(one)), DRIVERS[0])
    return f"{'postgresql' if name == 'postgres' else name}+{here}://{rest}"
