"""Asks the trackers to delete runs, because somebody is erased whose records they may hold something of.

Covered: runs of the use case that manifests name, runs that are named after one of these checkpoints and reports or
were made from one, and runs whose name, tags or parameters hold something of the person. Not covered: what a server
keeps of a run that was deleted (MLflow: until its operator runs `mlflow gc`), its backups, and copies that somebody
downloaded."""

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.tracking.runs import runs_of
from ft_platform.use_case.settings.environment import Environment


@dataclass(frozen=True)
class Unwanted:
    """Runs that must go.

    Attributes:
        made: ids of checkpoints and reports.
        runs: tracker -> their runs, as the manifests have them.
        names_person: whether a text holds something of the person.
    """

    use_case: str
    made: frozenset[str]
    runs: Mapping[str, list[dict[str, Any]]]
    names_person: Callable[[str], bool] = lambda text: False


@dataclass
class Asked:
    """What one tracker was asked, and what came of it.

    Attributes:
        place: the tracker and its address, without a password.
        deleted: ids of runs, and versions of models, that are gone; `not_confirmed`: those that may still be there.
        why: nothing, or not all, was confirmed: the type of an error, or what is missing.
        note: what the tracker still has of runs that are gone.
    """

    tracker: str
    place: str
    deleted: list[str] = field(default_factory=list)
    not_confirmed: list[str] = field(default_factory=list)
    why: str = ""
    note: str = ""

    @property
    def is_confirmed(self) -> bool:
        return not self.why and not self.not_confirmed

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "confirmed": self.is_confirmed}


def unwanted(
    lake: Lake, use_case: str, about: Iterable[ArtifactVersion], names_person: Callable[[str], bool]
) -> Unwanted:
    """The runs of these checkpoints and reports."""
    runs: dict[str, list[dict[str, Any]]] = {}
    found = list(about)
    for artifact in found:
        for tracker, run in runs_of(lake.manifest(artifact).info.get("tracking")).items():
            runs.setdefault(tracker, []).append(run)
    return Unwanted(use_case, frozenset(one.artifact_id for one in found), runs, names_person)


def ask_to_delete(environment: Environment, wanted: Unwanted) -> list[Asked]:
    """Asks every tracker of the environment, and those that have runs of the use case. Asked again, nothing changes."""
    names = [*environment.trackers, *(name for name in sorted(wanted.runs) if name not in environment.trackers)]
    return [
        importlib.import_module(f"ft_platform.tracking.{name}_deleting").delete_runs(environment, wanted)
        for name in names
    ]
