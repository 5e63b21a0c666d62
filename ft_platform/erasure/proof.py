"""Where an installation keeps its files."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ft_platform.erasure.dagster_places import dagster_places
from ft_platform.erasure.needles import Needles
from ft_platform.lake.files import read_bytes
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.tracking.trackers.mlflow import NAME
from ft_platform.use_case.settings.environment import Environment


@dataclass(frozen=True)
class MlflowPlaces:
    """Of MLflow's store on this machine: databases, and folders with the files of runs."""

    databases: list[Path]
    output: list[Path]


def folders_of(environment: Environment) -> list[Path]:
    """Folders that belong to an installation, beside its lake."""
    found = [environment.home, environment.dagster_home, environment.cache_path, environment.seals_path]
    found += [*dagster_places(environment).folders, *mlflow_places(environment).output]
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def mlflow_places(environment: Environment) -> MlflowPlaces:
    """Where MLflow's store lies, if it is not a server."""
    database = Path(environment.mlflow_uri.partition("sqlite:///")[2])
    if database == Path() or not database.is_file():
        return MlflowPlaces([], [])
    return MlflowPlaces([database], [database.parent.absolute() / "mlflow-artifacts"])


def postgres_of(environment: Environment) -> list[str]:
    """Addresses of databases in PostgreSQL that Dagster or MLflow use without a server between."""
    uri = environment.mlflow_uri
    own = [uri] if NAME in environment.trackers and uri.startswith(("postgresql:", "postgresql+")) else []
    return list(dict.fromkeys([*dagster_places(environment).postgres, *own]))


def words_in_audit_log(log: AuditLog, words: Collection[str], texts: Collection[str]) -> Iterator[str]:
    """Those that the audit log has."""
    needles = Needles(words, texts)
    files = [read_bytes(log.files.fs, log.files.segment(first)) for first in log.files.segments()]
    if any(needles.count(content) for content in files):
        for word in sorted(words):
            if any(Needles([word]).count(content) for content in files):
                yield word
        for text in sorted(texts):
            if any(Needles([], [text]).count(content) for content in files):
                yield text
