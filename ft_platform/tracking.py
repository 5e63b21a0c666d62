"""Runs, parameters, metrics and artifacts in MLflow, behind what the programs need of it.

One experiment per use case. A training is a run; `evaluation_report` and `fairness_report` are nested in the training run of
their checkpoint, because one checkpoint may be evaluated more than once; `base_evaluation`, which has no checkpoint, stands
by itself. A tracker that is down costs a warning, never a checkpoint or a report: everything that counts is in the lake. Only
settings, figures, ids, hashes, adapters and report pages are sent, no records and no predictions.
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

from ft_platform.environment import Environment
from ft_platform.errors import MissingExtra
from ft_platform.lake import ArtifactVersion, Lake
from ft_platform.lake.versions import Version
from ft_platform.use_case import NamedUseCase

FLUSH_SECONDS = 10.0
BATCH_METRICS = 900
"""MLflow takes at most 1000 metrics in one call."""
CLIENTS = ("mlflow", "sqlalchemy", "requests", "urllib3", "boto3", "botocore", "azure", "google")
"""Packages whose errors mean that the tracker or its artifact store does not work. MLflow passes those of the stores on."""
REPORT_FILES = (".html", ".png", ".json")
"""Pages, plots and figures. What else a report has (`predictions.parquet`) is about single records and stays in the lake."""


class Tracker:
    """A run that is not tracked. `MlflowTracker` tracks it."""

    def __init__(self, why: str) -> None:
        self._state: dict[str, str] | str = f"off: {why}"

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Settings of the run."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Figures at an optimizer step (0 for an evaluation)."""

    def finish(
        self, values: Mapping[str, float], folder: Path | None = None, tags: Mapping[str, str] | None = None, files: Iterable[str] | None = None
    ) -> None:
        """Final figures, and the folder of the published artifact, which is copied into the run: all of it, or only `files`."""

    def abandon(self, reason: str) -> None:
        """Marks the run as failed; `reason` is the type of an error."""

    def state(self) -> dict[str, str] | str:
        """`{"uri", "run_id", "experiment"}`, or why there is no run: `off: ...`, `failed: ...`."""
        return self._state


class MlflowTracker(Tracker):
    """One MLflow run. The first call that fails ends tracking for the run and is reported.

    Args:
        uri: tracking URI.
        use_case: name of the experiment.
        name: name of the run.
        tags: tags of the run.
        log: a logger.
        parent: id of the run that this one is nested in, or an empty text.
    """

    def __init__(self, uri: str, use_case: str, name: str, tags: Mapping[str, str], log: Any, parent: str = "") -> None:
        self._log, self._waiting, self._flushed, self._run = log, [], time.monotonic(), ""
        self._state = "failed: not started"
        with self._reported("start"):
            from mlflow.tracking import MlflowClient

            logging.getLogger("alembic").setLevel(logging.WARNING)
            with _first_use(uri):
                self._client = MlflowClient(tracking_uri=uri)
                experiment = _experiment(self._client, uri, use_case)
            nested = self._nested_in(parent) if parent else {}
            self._run = self._client.create_run(experiment, tags={**tags, **nested}, run_name=name).info.run_id
            self._state = {"uri": without_password(uri), "run_id": self._run, "experiment": use_case}

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

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not _is_of_the_tracker(error):
                raise
            self._run, self._state = "", f"failed: {what}: {type(error).__name__}"
            self._log.warning(f"tracking failed ({what}: {type(error).__name__}); the run goes on without it. Check FT_TRACKING_URI, or set it to none")

    def parameters(self, values: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        if self._run:
            with self._reported("parameters"):
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
                with self._reported("metrics"):
                    self._client.log_batch(self._run, metrics=waiting[start : start + BATCH_METRICS])

    def finish(
        self, values: Mapping[str, float], folder: Path | None = None, tags: Mapping[str, str] | None = None, files: Iterable[str] | None = None
    ) -> None:
        self.metrics(0, {f"final/{key}": value for key, value in values.items()})
        self._flush()
        if self._run:
            with self._reported("artifacts"):
                for key, value in (tags or {}).items():
                    self._client.set_tag(self._run, key, value)
                if folder is not None and files is None:
                    self._client.log_artifacts(self._run, str(folder))
                elif folder is not None:
                    for name in files or ():
                        self._client.log_artifact(self._run, str(folder / name))
                self._client.set_terminated(self._run, "FINISHED")

    def abandon(self, reason: str) -> None:
        self._flush()
        if self._run:
            with self._reported("end"):
                self._client.set_tag(self._run, "failed", reason)
                self._client.set_terminated(self._run, "FAILED")


def _is_of_the_tracker(error: Exception) -> bool:
    """ImportError: the client of the artifact store is not installed."""
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, (OSError, ImportError)) or not packages.isdisjoint(CLIENTS)


@contextmanager
def tracker_for(
    environment: Environment | None, use_case: NamedUseCase, stage: str, name: str, tags: Mapping[str, str], log: Any, parent: str = ""
) -> Iterator[Tracker]:
    """The tracker of one training or evaluation; a run inside which an exception is raised is marked as failed.

    Args:
        environment: whose tracker; None: none.
        stage: asset that is made.
        name: name of the run, e.g. the checkpoint id.
        tags: what the run was made from, e.g. version and content hash of `splits`.
        log: a logger.
        parent: id of the run that this one is nested in, or an empty text (`training_run`).

    Raises:
        MissingExtra: a tracking URI is set, but MLflow is not installed.
    """
    tracker = _open(environment, use_case, {"use_case": use_case.name, "stage": stage, **tags}, name, log, parent)
    try:
        yield tracker
    except BaseException as error:
        tracker.abandon(type(error).__name__)
        raise


def training_run(lake: Lake, checkpoint: ArtifactVersion) -> str:
    """Id of the run that a checkpoint was trained in; an empty text if its training was not tracked."""
    tracking = lake.manifest(checkpoint).info.get("tracking")
    return tracking["run_id"] if isinstance(tracking, dict) else ""


def parent_tags(parents: Iterable[Version]) -> dict[str, str]:
    """Ids and content hashes of what a run was made from. A checkpoint's hash has the name that its training run uses."""
    tags = {}
    for version in parents:
        name = "checkpoint" if version.name == "adapter_checkpoint" else version.name
        tags |= {name: version.id, f"{name}_content_hash": version.content_hash}
    return tags


def figure_metrics(name: str, figure: Mapping[str, Any]) -> dict[str, float]:
    """`{"value", "low", "high"}` as the metrics `<name>`, `<name>_low` and `<name>_high`."""
    return {name: figure["value"], f"{name}_low": figure["low"], f"{name}_high": figure["high"]}


def finish_report(tracker: Tracker, lake: Lake, report: ArtifactVersion, metrics: Mapping[str, float]) -> None:
    """Sends the figures of a published report with its pages, plots and figures."""
    if isinstance(tracker.state(), str):
        return
    tracker.metrics(0, metrics)
    with lake.local_copy(report) as folder:
        names = [name for name in lake.manifest(report).files if name.endswith(REPORT_FILES)]
        tracker.finish({}, folder, {f"{report.name}_content_hash": report.content_hash}, names)


def _open(environment: Environment | None, use_case: NamedUseCase, tags: Mapping[str, str], name: str, log: Any, parent: str) -> Tracker:
    if environment is None:
        return Tracker("the caller named no tracker")
    uri = environment.mlflow_uri
    if uri == "none":
        return Tracker("tracking_uri is none")
    # Read when mlflow is imported. Few retries: a tracker that is down must not hold up a training for minutes.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    try:
        import mlflow.tracking  # noqa: F401
    except ImportError:
        is_default = uri == environment.model_copy(update={"tracking_uri": ""}).mlflow_uri
        if not is_default:
            raise MissingExtra("mlflow", "tracking") from None
        log.info('runs are not tracked: mlflow is not installed. Add it with: pip install "ft-platform[tracking]"')
        return Tracker("mlflow is not installed")
    return MlflowTracker(uri, use_case.name, name, tags, log, parent)


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
        place = Path(uri.removeprefix("sqlite:///")).parent.absolute() / "mlflow-artifacts" / name if uri.startswith("sqlite:///") else None
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
