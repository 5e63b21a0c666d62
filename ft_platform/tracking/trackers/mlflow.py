"""Runs, parameters, metrics and artifacts in MLflow: a server, or a database of its own in `<home>` (sqlite).

One experiment per use case. A training is a run; `evaluation_report` and `fairness_report` are nested in the training
run of their checkpoint, because one checkpoint may be evaluated more than once; `base_evaluation`, which has no
checkpoint, stands by itself.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ft_platform.errors import MissingExtra
from ft_platform.tracking.mlflow_home import ARTIFACTS, bring_home, folder_of, is_own_place
from ft_platform.tracking.tracker import GuardedTracker, RunDescription, Tracker
from ft_platform.use_case.settings.environment import Environment

NAME = "mlflow"
FLUSH_SECONDS = 10.0
BATCH_METRICS = 900
"""MLflow takes at most 1000 metrics in one call."""
UI = "http://127.0.0.1:5000"
"""Where `mlflow ui` listens unless it is told otherwise."""
STORES = ("boto3", "botocore", "azure", "google", "databricks")
CLIENTS = ("mlflow", "sqlalchemy", "sqlite3", "requests", "urllib3", *STORES)
"""MLflow passes the errors of artifact stores on."""


class LocalPlaceRefused(OSError):
    """The place for the files of a run is a folder of this machine that is not the tracker's own."""


def open_tracker(environment: Environment, run: RunDescription, log: Any) -> Tracker:
    """The tracker of one run.

    Raises:
        MissingExtra: a tracking URI is set, but MLflow is not installed.
    """
    uri = environment.mlflow_uri
    if uri == "none":
        return Tracker("tracking_uri is none")
    try:
        import_library(uri)
    except ImportError:
        is_default = uri == environment.model_copy(update={"tracking_uri": ""}).mlflow_uri
        if not is_default:
            raise MissingExtra("mlflow", "tracking") from None
        log.info('runs are not tracked: mlflow is not installed. Add it with: pip install "ft-platform[tracking]"')
        return Tracker("mlflow is not installed")
    return MlflowTracker(uri, run, log)


def import_library(uri: str) -> None:
    """Imports MLflow with its settings, and what a tracking URI needs of it."""
    # Read when mlflow is imported. Few retries: a tracker that is down must not hold up a training for minutes.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    import mlflow.tracking

    if uri.startswith("sqlite:"):
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


class MlflowTracker(GuardedTracker):
    """One MLflow run.

    Args:
        uri: tracking URI.
        run: what it is called and belongs to.
    """

    def __init__(self, uri: str, run: RunDescription, log: Any) -> None:
        self._connect(uri, log)
        self._waiting: list[Any] = []
        self._flushed = time.monotonic()
        if self._client is None:
            return
        with self.reported("start"):
            with _first_use(uri):
                experiment = _experiment(self._client, uri, run.use_case)
            parent = run.parents.get(NAME)
            tags = {
                "use_case": run.use_case,
                "stage": run.stage,
                **run.tags,
                **(self._nested_in(parent) if parent else {}),
            }
            self._run = self._client.create_run(experiment, tags=tags, run_name=run.name).info.run_id
            self._state = {
                "tracker": NAME,
                "uri": without_password(uri),
                "run_id": self._run,
                "experiment": run.use_case,
                **_link(uri, experiment, self._run),
            }

    def _connect(self, uri: str, log: Any) -> None:
        super().__init__("MLflow", CLIENTS, "Check FT_TRACKING_URI, or set it to none", log)
        self._client: Any = None
        with self.reported("start"):
            from mlflow.tracking import MlflowClient

            logging.getLogger("alembic").setLevel(logging.WARNING)
            with _first_use(uri):
                bring_home(uri)
                self._client = MlflowClient(tracking_uri=uri)

    def _why(self, error: Exception) -> str:
        return f"{type(error).__name__}: {error}" if isinstance(error, LocalPlaceRefused) else super()._why(error)

    def _nested_in(self, parent: str) -> dict[str, str]:
        """The tag that nests a run in another one; none if that is not in this store: MLflow would show neither."""
        from mlflow.entities import LifecycleStage
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        try:
            stage = self._client.get_run(parent).info.lifecycle_stage
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            stage = "missing"
        if stage == LifecycleStage.ACTIVE:
            return {MLFLOW_PARENT_RUN_ID: parent}
        self._log.info(f"the training run {parent} is {stage} in this tracking store; this run is not nested in it")
        return {}

    def parameters(self, values: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        if self._run:
            with self.reported("parameters"):
                self._client.log_batch(self._run, params=[Param(key, str(value)) for key, value in values.items()])

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._waiting += [Metric(key, float(value), now, step) for key, value in values.items() if key != "step"]
        if time.monotonic() - self._flushed > FLUSH_SECONDS or len(self._waiting) > BATCH_METRICS:
            self._flush()

    def _flush(self) -> None:
        waiting, self._waiting, self._flushed = self._waiting, [], time.monotonic()
        for start in range(0, len(waiting), BATCH_METRICS):
            if self._run:
                with self.reported("metrics"):
                    self._client.log_batch(self._run, metrics=waiting[start : start + BATCH_METRICS])

    def finish(
        self,
        values: Mapping[str, float],
        folder: Path | None = None,
        tags: Mapping[str, str] | None = None,
        files: Iterable[str] | None = None,
    ) -> None:
        self.metrics(0, {f"final/{key}": value for key, value in values.items()})
        self._flush()
        if self._run:
            with self.reported("artifacts"):
                for key, value in (tags or {}).items():
                    self._client.set_tag(self._run, key, value)
                if folder is not None:
                    store = self._artifact_store()
                    if files is None:
                        store.log_artifacts(str(folder))
                    for name in files or ():
                        store.log_artifact(str(folder / name))
                self._client.set_terminated(self._run, "FINISHED")

    def keep(self, folder: Path, place: str) -> str:
        """Copies a folder into the run, as its `place`, and returns where it is.

        Raises:
            LocalPlaceRefused: as `_artifact_store`. Errors of the server are not caught.
        """
        self._artifact_store().log_artifacts(str(folder), place)
        kept = f"{self._client.get_run(self._run).info.artifact_uri}/{place}"
        # As a path, not as file://: when MLflow 3.17 copies a model to Unity Catalog it removes the files of a URI.
        return url2pathname(urlsplit(kept).path) if urlsplit(kept).scheme == "file" else kept

    def _artifact_store(self) -> Any:
        """Where the files of the run go. A store names the place, but no folder of this machine that is not its own:
        whoever runs a server would write there as we, and the home of another installation is not ours to change.

        Raises:
            LocalPlaceRefused: it does. Files go to a server that keeps them itself (`mlflow server --serve-artifacts`,
                its default), to a bucket, or below the folder of the database.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
        from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri

        named = self._client.get_run(self._run).info.artifact_uri
        place = str(add_databricks_profile_info_to_artifact_uri(named, self._client.tracking_uri))
        if not is_own_place(place, self._client.tracking_uri):
            raise LocalPlaceRefused("the files are in a folder of this machine that is not of this installation")
        return get_artifact_repository(place, tracking_uri=self._client.tracking_uri)

    def abandon(self, reason: str) -> None:
        self._flush()
        if self._run:
            with self.reported("end"):
                self._client.set_tag(self._run, "failed", reason)
                self._client.set_terminated(self._run, "FAILED")


def _link(uri: str, experiment: str, run: str) -> dict[str, str]:
    """Where a browser finds the run; in a database file once a person serves it, and how."""
    page = f"#/experiments/{experiment}/runs/{run}"
    if urlsplit(uri).scheme in ("http", "https"):
        return {"url": f"{without_password(uri).rstrip('/')}/{page}"}
    return {"url": f"{UI}/{page}", "served_by": f"mlflow ui --backend-store-uri {without_password(uri)}"}


@contextmanager
def _first_use(uri: str) -> Iterator[None]:
    """One process at a time creates the tables of an sqlite store and the experiment."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    database = Path(uri.removeprefix("sqlite:///"))
    database.parent.mkdir(parents=True, exist_ok=True)
    with open(database.with_name(f"{database.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _experiment(client: Any, uri: str, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        # Without a place, MLflow would write artifacts below the working directory.
        folder = folder_of(uri) if uri.startswith("sqlite:///") else None
        place = folder and folder / ARTIFACTS / name
        try:
            return client.create_experiment(name, artifact_location=place.as_uri() if place else None)
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return found.experiment_id


def without_password(uri: str) -> str:
    """The URI without user and password."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1]).geturl() if "@" in parts.netloc else uri
