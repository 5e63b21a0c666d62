"""What a person needs to read in Dagster's GraphQL and under its paths: logs, settings and debug files of runs by role
and owner, everything else by `see`. A field at the top or a path that is in no table is nobody's.

Not covered: a token that may `see` in one use case only. From there it can follow edges of the graph to names and
states of others, and to nothing more."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.selector import ScheduleSelector, SensorSelector
from dagster._core.remote_representation.external import RemoteSchedule, RemoteSensor

from ft_platform.web.roles import concerned
from ft_platform.web.roles.concerned import UNKNOWN, Concerns
from ft_platform.web.roles.mutations import START, STARTS, Args, Find, schedule_of, sensor_of

OfField = Callable[[Any, Any, Args], Concerns]
"""Which assets of which use cases a field is about, from the context, the object that it is a field of, and its
arguments."""


@dataclass(frozen=True)
class Read:
    """A field that shows something.

    Attributes:
        action: that it needs.
        of: which use cases it is about.
        opens: what lies below it belongs to it: who may read it may read that too.
        instead: what whoever may not gets in its place, made of the reason. None: the request is refused.
    """

    action: str
    of: OfField
    opens: bool = False
    instead: Callable[[str], Any] | None = None


def _at_top(find: Find) -> OfField:
    return lambda context, _root, args: find(context, args)


def _all(_context: Any, _root: Any, _args: Args) -> Concerns:
    return {UNKNOWN}


def _key(context: Any, args: Args) -> Concerns:
    return concerned.of_inputs([args["assetKey"]]) if args.get("assetKey") else {UNKNOWN}


def _keys(context: Any, args: Args) -> Concerns:
    return concerned.of_inputs(args.get("assetKeys") or [])


def _run(context: Any, args: Args) -> Concerns:
    return concerned.of_run_id(context, args["runId"])


def _log(context: Any, args: Args) -> Concerns:
    return concerned.of_log_key(context, args["logKey"])


SEEN_EVERYWHERE = (
    *("version", "instance", "permissions", "canBulkTerminate", "shouldShowNux", "test", "scheduler"),
    *("repositoriesOrError", "repositoryOrError", "workspaceOrError", "locationStatusesOrError"),
    *("workspaceLocationEntryOrError", "latestDefsStateInfo", "appManagedComponentsForLocationOrError"),
    *("componentsForLocationOrError", "componentTypesForLocationOrError", "utilizedEnvVarsOrError"),
    *("topLevelResourceDetailsOrError", "allTopLevelResourceDetailsOrError", "resourcesOrError"),
    *("pipelineOrError", "pipelineSnapshotOrError", "graphOrError", "isPipelineConfigValid", "executionPlanOrError"),
    *("runConfigSchemaOrError", "scheduleOrError", "schedulesOrError", "sensorOrError", "sensorsOrError"),
    *("instigationStateOrError", "instigationStatesOrError", "partitionSetsOrError", "partitionSetOrError"),
    *("pipelineRunsOrError", "runsOrError", "runsFeedOrError", "runsFeedCountOrError", "runTagKeysOrError"),
    *("runTagsOrError", "runIdsOrError", "assetsOrError", "assetRecordsOrError", "partitionBackfillOrError"),
    *("partitionBackfillsOrError", "assetBackfillPreview", "autoMaterializeEvaluationsForEvaluationId"),
    *("assetConditionEvaluationsForEvaluationId", "autoMaterializeTicks"),
)
SEEN_OF_ASSET = (
    *("assetOrError", "assetNodeOrError", "autoMaterializeAssetEvaluationsOrError", "assetCheckExecutions"),
    *("truePartitionsForAutomationConditionEvaluationNode", "assetConditionEvaluationForPartition"),
    "assetConditionEvaluationRecordsOrError",
)
SEEN_OF_ASSETS = ("assetNodes", "assetNodeAdditionalRequiredKeys", "assetNodeDefinitionCollisions", "assetsLatestInfo")
SEEN_OF_RUN = ("runOrError", "pipelineRunOrError", "runGroupOrError")

QUERIES: dict[str, Read] = {
    **dict.fromkeys(SEEN_EVERYWHERE, Read("see", _all)),
    **dict.fromkeys(SEEN_OF_ASSET, Read("see", _at_top(_key))),
    **dict.fromkeys(SEEN_OF_ASSETS, Read("see", _at_top(_keys))),
    **dict.fromkeys(SEEN_OF_RUN, Read("see", _at_top(_run))),
    "logsForRun": Read("read_logs", _at_top(_run), opens=True),
    "capturedLogs": Read("read_logs", _at_top(_log)),
    "capturedLogsMetadata": Read("read_logs", _at_top(_log)),
}
"""Field at the top of a query -> what it needs."""

SUBSCRIPTIONS: dict[str, Read] = {
    "pipelineRunLogs": Read("read_logs", _at_top(_run), opens=True),
    "capturedLogs": Read("read_logs", _at_top(_log)),
    "locationStateChangeEvents": Read("see", _all),
}
"""Field of a subscription -> what it needs."""


def _of_run(context: Any, root: Any, _args: Args) -> Concerns:
    return concerned.of_run(context, root.dagster_run)


def _of_backfill(context: Any, root: Any, _args: Args) -> Concerns:
    return concerned.of_backfill(context, root._backfill_job)


def _of_partition_set(context: Any, root: Any, _args: Args) -> Concerns:
    found = root._remote_partition_set
    handle = found.repository_handle
    return concerned.of_job(context, found.job_name, handle.location_name, handle.repository_name)


def _of_job(context: Any, root: Any, _args: Args) -> Concerns:
    handle = root._remote_job.repository_handle
    return concerned.of_job(context, root._remote_job.name, handle.location_name, handle.repository_name)


def _of_asset(_context: Any, root: Any, _args: Args) -> Concerns:
    return concerned.of_assets([root._remote_node.key])


def _of_selector(context: Any, selector: Any) -> Concerns:
    return (schedule_of if isinstance(selector, ScheduleSelector) else sensor_of)(context, selector)


def _of_dry_run(context: Any, root: Any, _args: Args) -> Concerns:
    return _of_selector(context, root._selector)


def _of_sensor(context: Any, root: Any, _args: Args) -> Concerns:
    return _of_selector(context, root._remote_sensor.sensor_selector)


def _of_state(context: Any, root: Any, _args: Args) -> Concerns:
    state = root._instigator_state
    is_schedule = state.instigator_type == InstigatorType.SCHEDULE
    kind = ScheduleSelector if is_schedule else SensorSelector
    return _of_selector(context, kind.from_instigator_selector(state.selector))


def _of_tick(context: Any, root: Any, _args: Args) -> Concerns:
    kind = RemoteSchedule if root.instigationType == InstigatorType.SCHEDULE else RemoteSensor
    ids = [root._instigator_origin_id]
    return concerned.of_instigator_ids(context, ids, kind, context.judge.permissions.use_cases)


def _text(why: str) -> str:
    return f"withheld: {why}"


def _settings(why: str) -> dict[str, str]:
    """No job accepts it, so that nobody starts a run with it by mistake."""
    return {"withheld": why}


def _yaml(why: str) -> str:
    return f"withheld: {json.dumps(why)}\n"


FIELDS: dict[tuple[str, str], Read] = {
    ("Run", "eventConnection"): Read("read_logs", _of_run, opens=True),
    ("Run", "capturedLogs"): Read("read_logs", _of_run),
    ("Run", "runConfig"): Read("read_logs", _of_run, instead=_settings),
    ("Run", "runConfigYaml"): Read("read_logs", _of_run, instead=_yaml),
    ("InstigationTick", "logEvents"): Read("read_logs", _of_tick),
    ("PartitionBackfill", "logEvents"): Read("read_logs", _of_backfill),
    # It runs the code of the schedule or sensor, so a query for it is what the mutation of that name is.
    ("DryRunInstigationTick", "evaluationResult"): Read("automate", _of_dry_run, opens=True),
    ("Instance", "info"): Read("read_debug", _all),
    # Below a field that is opened they belong to it; elsewhere nothing says whose they are.
    ("PythonError", "message"): Read("read_logs", _all, instead=_text),
    ("PythonError", "stack"): Read("read_logs", _all, instead=lambda _: []),
    ("PythonError", "cause"): Read("read_logs", _all, instead=lambda _: None),
    ("PythonError", "causes"): Read("read_logs", _all, instead=lambda _: []),
    ("PythonError", "errorChain"): Read("read_logs", _all, instead=lambda _: []),
    ("RunRequest", "runConfigYaml"): Read("read_logs", _all, instead=_yaml),
    ("PartitionRunConfig", "yaml"): Read("read_logs", _all, instead=_yaml),
    ("PipelinePreset", "runConfigYaml"): Read("read_logs", _all, instead=_yaml),
    ("ConfiguredValue", "value"): Read("read_logs", _all, instead=_text),
    ("AppManagedComponent", "attributes"): Read("read_logs", _all, instead=_text),
    ("Component", "attributes"): Read("read_logs", _all, instead=_text),
}
"""Type and field -> what it needs, wherever in a request it stands."""

OPENED: dict[tuple[str, str], Read] = {
    ("InstigationTick", "error"): Read("read_logs", _of_tick, opens=True),
    ("PartitionBackfill", "error"): Read("read_logs", _of_backfill, opens=True),
}
"""As `FIELDS`, of those that everybody may ask for: who may not read them gets errors without their texts."""

FLAGS: dict[tuple[str, str], tuple[str, OfField]] = {
    ("AssetNode", "hasMaterializePermission"): (START, _of_asset),
    ("AssetNode", "hasWipePermission"): ("delete_history", _of_asset),
    ("AssetNode", "hasReportRunlessAssetEventPermission"): ("report_from_outside", _of_asset),
    ("Run", "hasReExecutePermission"): (START, _of_run),
    ("Run", "hasTerminatePermission"): ("stop_runs", _of_run),
    ("Run", "hasDeletePermission"): ("delete_history", _of_run),
    ("PartitionBackfill", "hasCancelPermission"): ("stop_runs", _of_backfill),
    ("PartitionBackfill", "hasResumePermission"): (START, _of_backfill),
    ("PartitionSet", "hasLaunchBackfillPermission"): (START, _of_partition_set),
    ("PartitionSet", "hasCancelBackfillPermission"): ("stop_runs", _of_partition_set),
    ("Pipeline", "hasLaunchExecutionPermission"): (START, _of_job),
    ("Pipeline", "hasLaunchReexecutionPermission"): (START, _of_job),
    ("Job", "hasLaunchExecutionPermission"): (START, _of_job),
    ("Job", "hasLaunchReexecutionPermission"): (START, _of_job),
    ("InstigationState", "hasStartPermission"): ("automate", _of_state),
    ("InstigationState", "hasStopPermission"): ("automate", _of_state),
    ("Sensor", "hasCursorUpdatePermissions"): ("automate", _of_sensor),
}
"""Type and field that says whether a button of the page works -> action, and which use cases it is about."""

MANIFEST = {name: action for (kind, name), (action, _) in FLAGS.items() if kind == "AssetNode"}
"""As `FLAGS`, in the list of all assets (`Repository.assetManifest`)."""

PERMISSIONS: dict[str, tuple[str, ...]] = {
    name: actions
    for actions, names in {
        STARTS: ("launch_pipeline_execution", "launch_pipeline_reexecution", "launch_partition_backfill"),
        ("stop_runs",): ("terminate_pipeline_execution", "cancel_partition_backfill"),
        ("automate",): (
            *("start_schedule", "stop_running_schedule", "schedule_dry_run", "edit_sensor", "sensor_dry_run"),
            *("update_sensor_cursor", "toggle_auto_materialize", "edit_dynamic_partitions"),
        ),
        ("reload",): ("reload_repository_location", "reload_workspace", "refresh_component_state"),
        ("edit_use_case",): ("edit_app_managed_components",),
        ("delete_history",): ("delete_pipeline_run", "wipe_assets"),
        ("report_from_outside",): ("report_runless_asset_events",),
        ("manage_installation",): ("edit_concurrency_limit",),
    }.items()
    for name in names
}
"""Dagster's own permissions -> actions. They are asked for beyond any single use case."""


@dataclass(frozen=True)
class Path:
    """What a path needs.

    Attributes:
        action: None: only that somebody has signed in.
        of: which use cases it is about, from the context and the parts of the path after the first.
    """

    action: str | None
    of: Callable[[Any, list[str]], Concerns] = lambda _context, _parts: {UNKNOWN}


def _of_log_file(context: Any, parts: list[str]) -> Concerns:
    """`<run>/compute_logs/<step>/<out or err>`."""
    return concerned.of_log_key(context, parts[:-1])


def _of_run_file(context: Any, parts: list[str]) -> Concerns:
    return concerned.of_run_id(context, parts[0]) if len(parts) == 1 else {UNKNOWN}


PAGE = Path(None)
"""Pages, their scripts and pictures: the same for everybody, without data."""
PATHS: dict[str, Path] = {
    "graphql": PAGE,  # each field has its own rule
    "logs": Path("read_logs", _of_log_file),
    "download_debug": Path("read_debug", _of_run_file),
    "notebook": Path("read_debug"),
    "dagit": Path("read_debug"),
    "server_info": Path("see"),
    "dagit_info": Path("see"),
    "report_asset_materialization": Path("report_from_outside"),
    "report_asset_check": Path("report_from_outside"),
    "report_asset_observation": Path("report_from_outside"),
}
"""First part of a path -> what it needs. All others are `PAGE`."""
