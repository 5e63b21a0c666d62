"""Deletes runs in MLflow, with their files, and versions of models in its registry.

A deleted run can be restored until the operator of the server runs `mlflow gc`; its files are removed at once."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ft_platform.tracking.deleting import Asked, Unwanted
from ft_platform.tracking.trackers.mlflow import NAME, MlflowTracker, import_library, without_password
from ft_platform.use_case.settings.environment import Environment

NOTE = "Files of the runs were removed. Their figures stay in its database until its operator runs `mlflow gc`."
PAGE = 1000
QUIET = logging.Logger("deleting", logging.CRITICAL)
"""What fails is told in the answer."""


def delete_runs(environment: Environment, wanted: Unwanted) -> Asked:
    """Deletes what is wanted; each run that could not be deleted is named."""
    uri = environment.mlflow_uri
    asked = Asked(NAME, f"MLflow at {_place(uri)}")
    runs = {one["run_id"]: one.get("uri", "") for one in wanted.runs.get(NAME, [])}
    elsewhere = [run for run, where in runs.items() if where and where != without_password(uri)]
    if uri == "none":
        asked.not_confirmed, asked.why = sorted(runs), "MLflow is switched off" if runs else ""
        return asked
    if (database := uri.partition("sqlite:///")[2]) and not Path(database).exists():  # asking would make one
        return asked
    try:
        import_library(uri)
    except ImportError:
        asked.not_confirmed, asked.why = sorted(runs), "mlflow is not installed" if runs else ""
        return asked
    _Runs(environment, wanted).delete(set(runs), asked)
    if elsewhere := [run for run in elsewhere if run not in {*asked.deleted, *asked.not_confirmed}]:
        asked.not_confirmed += sorted(elsewhere)
        asked.why = asked.why or "runs are on a server that this installation used before"
    asked.note = NOTE if asked.deleted else ""
    return asked


def _place(uri: str) -> str:
    parts = urlsplit(uri)
    return "this installation" if parts.scheme == "sqlite" else f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}"


class _Runs(MlflowTracker):
    """Runs of one use case; what goes wrong with the server is a state, as for tracking."""

    def __init__(self, environment: Environment, wanted: Unwanted) -> None:
        self._wanted, self._model = wanted, f"{environment.registry_prefix}{wanted.use_case}"
        self._connect(environment.mlflow_uri, QUIET)

    def delete(self, named: set[str], asked: Asked) -> None:
        found: list[Any] | None = None
        with self.reported("read"):
            if self._client is not None:
                found = list(self._found(named))
        if found is None:
            asked.not_confirmed, asked.why = sorted(named), str(self._state)
            return
        for run in found:
            self._tell(asked, run.info.run_id, self._delete_run, run)
        versions: list[Any] = []
        with self.reported("read"):
            versions = self._versions()
            self._state = ""
        asked.why = asked.why or str(self._state)
        for version in versions:
            self._tell(asked, f"{version.name}/{version.version}", self._delete_version, version)

    def _tell(self, asked: Asked, name: str, delete: Any, what: Any) -> None:
        done = False
        with self.reported("delete"):
            delete(what)
            done = True
        (asked.deleted if done else asked.not_confirmed).append(name)
        if not done:
            asked.why = str(self._state)

    def _found(self, named: set[str]) -> Iterator[Any]:
        """Those of the experiment; deleted ones too, whose files may still be there."""
        from mlflow.entities import ViewType

        experiment, token = self._client.get_experiment_by_name(self._wanted.use_case), None
        while experiment is not None:
            page = self._client.search_runs(
                [experiment.experiment_id], run_view_type=ViewType.ALL, max_results=PAGE, page_token=token
            )
            yield from (run for run in page if run.info.run_id in named or self._is_wanted(run))
            token = page.token
            if not token:
                return

    def _is_wanted(self, run: Any) -> bool:
        made, tags = self._wanted.made, run.data.tags
        if run.info.run_name in made or tags.get("checkpoint") in made:
            return True
        return any(map(self._wanted.names_person, _texts(run)))

    def _delete_run(self, run: Any) -> None:
        from mlflow.entities import LifecycleStage

        self._run = run.info.run_id
        self._artifact_store().delete_artifacts()
        if run.info.lifecycle_stage == LifecycleStage.ACTIVE:
            for key, value in run.data.tags.items():
                if self._wanted.names_person(key) or self._wanted.names_person(value):
                    self._client.delete_tag(self._run, key)
            self._client.delete_run(self._run)

    def _versions(self) -> list[Any]:
        made = self._wanted.made
        known = self._client.search_model_versions(f"name = '{self._model}'", max_results=PAGE)
        return [one for one in known if one.tags.get("checkpoint") in made]

    def _delete_version(self, version: Any) -> None:
        self._client.delete_model_version(version.name, version.version)


def _texts(run: Any) -> Iterator[str]:
    yield str(run.info.run_name)
    for values in (run.data.tags, run.data.params):
        for key, value in values.items():
            yield from (key, str(value))
