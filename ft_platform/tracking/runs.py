"""The tracked run of one training or evaluation, in every tracker of the environment."""

import importlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, Version
from ft_platform.tracking.tracker import RunDescription, SeveralTrackers, State, Tracker
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

REPORT_FILES = (".html", ".png", ".json")
"""Pages, plots and figures. What else a report has (`predictions.parquet`) is about single records and stays in the
lake."""

LOG = logging.getLogger(__name__)


@contextmanager
def tracker_for(
    environment: Environment | None,
    use_case: NamedUseCase,
    stage: str,
    name: str,
    tags: Mapping[str, str],
    log: Any = LOG,
    parents: Mapping[str, str] | None = None,
) -> Iterator[Tracker]:
    """The tracker of one training or evaluation; a run inside which an exception is raised is marked as failed.

    Args:
        environment: whose trackers; None: none.
        stage: asset that is made.
        name: name of the run, e.g. the checkpoint id.
        tags: what the run was made from, e.g. version and content hash of `splits`.
        parents: tracker -> id of the run that this one belongs to (`training_run`).

    Raises:
        MissingExtra: a tracker was asked for that is not installed.
        ConfigError: a tracker was asked for without what it needs, e.g. a key.
    """
    tracker = _open(environment, RunDescription(use_case.name, stage, name, tags, parents or {}), log)
    try:
        yield tracker
    except BaseException as error:
        tracker.abandon(type(error).__name__)
        raise


def report_tracker(
    environment: Environment | None, draft: Draft, log: Any = LOG, checkpoint: ArtifactVersion | None = None
) -> AbstractContextManager[Tracker]:
    """The tracker of a report.

    Args:
        checkpoint: the one that the report is about; the run belongs to that of its training.
    """
    about, run = ([checkpoint], training_run(draft.lake, checkpoint)) if checkpoint else ([], {})
    tags = parent_tags([*draft.parents, *about])
    return tracker_for(environment, draft.use_case, draft.stage, draft.id, tags, log, run)


def _open(environment: Environment | None, run: RunDescription, log: Any) -> Tracker:
    if environment is None:
        return Tracker("the caller named no tracker")
    if not environment.trackers:
        return Tracker("the environment names no trackers")
    opened = {
        name: importlib.import_module(f"ft_platform.tracking.trackers.{name}").open_tracker(environment, run, log)
        for name in environment.trackers
    }
    return SeveralTrackers(opened) if len(opened) > 1 else next(iter(opened.values()))


def runs_of(state: State | None) -> dict[str, dict[str, Any]]:
    """The runs in a manifest's `tracking` by tracker. Manifests written before there were several trackers hold one of
    MLflow."""
    if not isinstance(state, dict):
        return {}
    if "run_id" in state:
        return {state.get("tracker", "mlflow"): state}
    return {name: one for name, one in state.items() if isinstance(one, dict)}


def is_tracked(tracker: Tracker) -> bool:
    """Whether there is a run in any tracker."""
    return bool(runs_of(tracker.state()))


def training_run(lake: Lake, checkpoint: ArtifactVersion) -> dict[str, str]:
    """Tracker -> id of the run that a checkpoint was trained in; empty if its training was not tracked."""
    return {name: run["run_id"] for name, run in runs_of(lake.manifest(checkpoint).info.get("tracking")).items()}


def parent_tags(parents: Iterable[Version]) -> dict[str, str]:
    """Ids and content hashes of what a run was made from. A checkpoint's hash has the name that its training run
    uses."""
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
    if not is_tracked(tracker):
        return
    tracker.metrics(0, metrics)
    with lake.local_copy(report) as folder:
        names = [name for name in lake.manifest(report).files if name.endswith(REPORT_FILES)]
        tracker.finish({}, folder, {f"{report.name}_content_hash": report.content_hash}, names)
