"""What a person needs for each mutation of Dagster's GraphQL: an action of `people.actions`, in every use case that its
arguments are about. A mutation that is not in the table is nobody's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dagster._core.definitions.selector import ScheduleSelector, SensorSelector
from dagster._core.remote_representation.external import RemoteSchedule, RemoteSensor

from ft_platform.people.noted import Kind
from ft_platform.stages import DEPLOYMENT, MONITORING, STAGES, stage_named
from ft_platform.web.roles import concerned
from ft_platform.web.roles.concerned import UNKNOWN, WAY_BACK, Concerns
from ft_platform.web.roles.rules import Need

START = "start"
"""In place of an action: those that the stages of the run need."""
STARTS = ("start_data", "start_training", "start_reports")
OTHER_ASSETS = {
    "traffic_records": "start_data",
    "labelled_traffic": "start_data",
    MONITORING: "start_reports",
    "retention_report": "start_data",
}
"""Assets of the platform that no line of the table of stages makes."""

Args = Mapping[str, Any]
Find = Callable[[Any, Args], Concerns]
"""Which assets of which use cases a request is about, from its context (`context.RoleContext`) and its arguments."""


def starts(asset: str | None) -> tuple[str, ...]:
    """The actions that making an asset needs. One that the platform does not know may do anything, so it needs all."""
    if asset == WAY_BACK:
        return ("take_back",)
    if asset in OTHER_ASSETS:
        return (OTHER_ASSETS[asset],)
    stage = STAGES.get(stage_named(asset or ""))
    if stage is None:
        return STARTS
    if stage.name in ("release", DEPLOYMENT):
        return ("release" if stage.name == "release" else "deploy",)
    if stage.kind in ("table", "quarantine"):
        return ("start_data",)
    return ("start_training",) if stage.trains else ("start_reports",)


def needs(action: str, concerns: Concerns) -> set[Need]:
    """What a person needs to do something to these assets."""
    return {
        (one, concern.use_case)
        for concern in concerns
        for one in (starts(concern.asset) if action == START else (action,))
    }


@dataclass(frozen=True)
class Mutation:
    """One mutation.

    Attributes:
        action: that it needs, or `START`.
        of: which use cases it is about.
        kind: of its entry in the audit log.
        wipes: argument that, where it is true, deletes events of assets too.
    """

    name: str
    action: str
    of: Find
    kind: Kind = "settings"
    wipes: str = ""

    def needs(self, concerns: Concerns, args: Args) -> set[Need]:
        wiped = needs("delete_history", concerns) if self.wipes and args.get(self.wipes) else set()
        return needs(self.action, concerns) | wiped


def everywhere(_context: Any, _args: Args) -> Concerns:
    """Beyond any single use case."""
    return {UNKNOWN}


def _run(context: Any, args: Args) -> Concerns:
    return concerned.of_run_id(context, args["runId"])


def _launched(context: Any, args: Args) -> Concerns:
    return concerned.of_params(context, args["executionParams"])


def _launched_together(context: Any, args: Args) -> Concerns:
    return {one for params in args["executionParamsList"] for one in concerned.of_params(context, params)}


def _repeated(context: Any, args: Args) -> Concerns:
    found = concerned.of_params(context, args["executionParams"]) if args.get("executionParams") else set()
    if again := args.get("reexecutionParams"):
        found |= concerned.of_run_id(context, again["parentRunId"])
    return found


def _schedule(argument: str) -> Find:
    def of(context: Any, args: Args) -> Concerns:
        return schedule_of(context, ScheduleSelector.from_graphql_input(args[argument]))

    return of


def _sensor(argument: str) -> Find:
    def of(context: Any, args: Args) -> Concerns:
        return sensor_of(context, SensorSelector.from_graphql_input(args[argument]))

    return of


def schedule_of(context: Any, selector: Any) -> Concerns:
    return concerned.of_instigator(context, context.get_schedule(selector), context.judge.permissions.use_cases)


def sensor_of(context: Any, selector: Any) -> Concerns:
    return concerned.of_instigator(context, context.get_sensor(selector), context.judge.permissions.use_cases)


def _stopped(kind: type, name: str) -> Find:
    def of(context: Any, args: Args) -> Concerns:
        ids = concerned.ids_in(args.get("id"), args.get(f"{name}_origin_id"), args.get(f"{name}_selector_id"))
        return concerned.of_instigator_ids(context, ids, kind, context.judge.permissions.use_cases)

    return of


def _wiped(_context: Any, args: Args) -> Concerns:
    return concerned.of_inputs(one["assetKey"] for one in args["assetPartitionRanges"])


def _reported(_context: Any, args: Args) -> Concerns:
    return concerned.of_inputs([args["eventParams"]["assetKey"]])


def _backfill(context: Any, args: Args) -> Concerns:
    return concerned.of_backfill_id(context, args["backfillId"])


def _asked_backfill(context: Any, args: Args) -> Concerns:
    return concerned.of_backfill_params(context, args["backfillParams"])


def _repeated_backfill(context: Any, args: Args) -> Concerns:
    again = args.get("reexecutionParams")
    return concerned.of_backfill_id(context, again["parentRunId"]) if again else {UNKNOWN}


def _partitions(context: Any, args: Args) -> Concerns:
    return concerned.of_dynamic_partitions(context, args["partitionsDefName"])


MUTATIONS: dict[str, Mutation] = {
    mutation.name: mutation
    for mutation in (
        Mutation("launchPipelineExecution", START, _launched, "run"),
        Mutation("launchRun", START, _launched, "run"),
        Mutation("launchMultipleRuns", START, _launched_together, "run"),
        Mutation("launchPipelineReexecution", START, _repeated, "run"),
        Mutation("launchRunReexecution", START, _repeated, "run"),
        Mutation("launchPartitionBackfill", START, _asked_backfill, "run"),
        Mutation("resumePartitionBackfill", START, _backfill, "run"),
        Mutation("reexecutePartitionBackfill", START, _repeated_backfill, "run"),
        Mutation("cancelPartitionBackfill", "stop_runs", _backfill, "run"),
        Mutation("terminatePipelineExecution", "stop_runs", _run, "run"),
        Mutation("terminateRun", "stop_runs", _run, "run"),
        Mutation("terminateRuns", "stop_runs", lambda c, args: concerned.of_run_ids(c, args["runIds"]), "run"),
        Mutation("startSchedule", "automate", _schedule("schedule_selector")),
        Mutation("stopRunningSchedule", "automate", _stopped(RemoteSchedule, "schedule")),
        Mutation("resetSchedule", "automate", _schedule("schedule_selector")),
        Mutation("scheduleDryRun", "automate", _schedule("selector_data")),
        Mutation("startSensor", "automate", _sensor("sensor_selector")),
        Mutation("stopSensor", "automate", _stopped(RemoteSensor, "job")),
        Mutation("resetSensor", "automate", _sensor("sensor_selector")),
        Mutation("setSensorCursor", "automate", _sensor("sensor_selector")),
        Mutation("sensorDryRun", "automate", _sensor("selector_data")),
        Mutation("setAutoMaterializePaused", "automate", everywhere),
        Mutation("addDynamicPartition", "automate", _partitions),
        Mutation("deleteDynamicPartitions", "automate", _partitions, wipes="wipeMaterializations"),
        Mutation("reloadRepositoryLocation", "reload", everywhere),
        Mutation("reloadWorkspace", "reload", everywhere),
        Mutation("refreshComponentState", "reload", everywhere),
        Mutation("setAppManagedComponent", "edit_use_case", everywhere),
        Mutation("deleteAppManagedComponent", "edit_use_case", everywhere),
        Mutation("deletePipelineRun", "delete_history", _run, "run"),
        Mutation("deleteRun", "delete_history", _run, "run"),
        Mutation("wipeAssets", "delete_history", _wiped, "run"),
        Mutation("reportRunlessAssetEvents", "report_from_outside", _reported, "run"),
        Mutation("reportAssetCheckEvaluations", "report_from_outside", _reported, "run"),
        Mutation("shutdownRepositoryLocation", "manage_installation", everywhere),
        Mutation("setConcurrencyLimit", "manage_installation", everywhere),
        Mutation("deleteConcurrencyLimit", "manage_installation", everywhere),
        Mutation("freeConcurrencySlotsForRun", "manage_installation", everywhere),
        Mutation("freeConcurrencySlots", "manage_installation", everywhere),
        Mutation("logTelemetry", "see", everywhere),
        Mutation("setNuxSeen", "see", everywhere),
    )
}
"""Name -> mutation."""
