"""Every mutation of the running Dagster, by every role, nobody and a token, in a use case of theirs and in one that is
not: it does what the table says, and one that is refused changes nothing."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

pytest.importorskip("dagster_webserver")
from dagster._core.execution.backfill import BulkActionStatus
from graphql import GraphQLScalarType, get_named_type

from ft_platform_tests.web.roles.world import (
    ASKING,
    HERE,
    LOCATION,
    PERMISSIONS,
    RELEASER,
    REPOSITORY,
    THERE,
    World,
    world,
)

pytestmark = [pytest.mark.integration, pytest.mark.smoke]

STARTS = {
    "raw_records": ["start_data"],
    "adapter_checkpoint": ["start_training"],
    "evaluation_report": ["start_reports"],
    "release": ["release"],
    "deployment": ["deploy"],
    "own_stage": ["start_data", "start_training", "start_reports"],
}
"""What making each of these needs, said here a second time."""
BACK = ["release", "deploy", "take_back"]
WHOLE_JOB = ["start_data", "start_training", "start_reports", "release", "deploy"]


class Case(NamedTuple):
    """One mutation with arguments that are valid.

    Attributes:
        needs: action and use case, said here a second time.
        arguments: makes what the mutation is about anew, and its arguments.
        answer: type of the answer where it is done; a value where the answer has none.
    """

    mutation: str
    needs: list[tuple[str, str | None]]
    arguments: Callable[[World], dict[str, Any]]
    answer: Any


def launch(use_case: str, *stages: str, **more: Any) -> dict[str, Any]:
    keys = [{"path": [use_case, stage]} for stage in stages]
    return {"selector": {**REPOSITORY, "jobName": "__ASSET_JOB", "assetSelection": keys, **more}}


def job(name: str, **more: Any) -> dict[str, Any]:
    return {"selector": {**REPOSITORY, "jobName": name, **more}}


def needs(use_case: str | None, *actions: str) -> list[tuple[str, str | None]]:
    return [(action, use_case) for action in actions]


def cases(world: World) -> Iterator[Case]:
    both = [*needs(HERE, "start_data"), *needs(THERE, "start_data")]
    params = {"executionParams": {"selector": {**launch(HERE, "raw_records")["selector"]}}}
    params["executionParams"]["selector"]["assetSelection"].append({"path": [THERE, "raw_records"]})
    yield Case("launchRun", both, lambda _: params, "LaunchRunSuccess")
    for place in (HERE, THERE):
        yield from of_runs(world, place)
        yield from of_backfills(place)
        yield from of_schedules_and_sensors(world, place)
        yield from of_events(place)
    yield from of_the_installation()


def of_runs(world: World, place: str) -> Iterator[Case]:
    for stage, actions in STARTS.items():
        params = {"executionParams": launch(place, stage)}
        yield Case("launchRun", needs(place, *actions), lambda _, params=params: params, "LaunchRunSuccess")
    of_job = {
        place: WHOLE_JOB,
        f"{place}_reports": ["start_reports"],
        f"{place}_rollback": BACK,
        f"{place}_sweep": ["start_data"],
    }
    for name, actions in of_job.items():
        params = {"executionParams": job(name)}
        yield Case("launchRun", needs(place, *actions), lambda _, params=params: params, "LaunchRunSuccess")
    part = job(f"{place}_rollback", assetSelection=[{"path": [place, "release"]}])
    yield Case(
        "launchRun", needs(place, "release", "take_back"), lambda _: {"executionParams": part}, "LaunchRunSuccess"
    )
    back = {"reexecutionParams": {"parentRunId": world.back(place), "strategy": "ALL_STEPS"}}
    yield Case("launchRunReexecution", needs(place, *BACK), lambda _: back, "LaunchRunSuccess")
    data, training = launch(place, "raw_records"), launch(place, "adapter_checkpoint")
    checked = [{"name": "no_leakage", "assetKey": {"path": [place, "splits"]}}]
    check = launch(place, assetCheckSelection=checked)
    yield Case("launchRun", needs(place, "start_data"), lambda _: {"executionParams": check}, "LaunchRunSuccess")
    yield Case(
        "launchPipelineExecution", needs(place, "start_data"), lambda _: {"executionParams": data}, "LaunchRunSuccess"
    )
    yield Case(
        "launchMultipleRuns",
        needs(place, "start_data", "start_training"),
        lambda _: {"executionParamsList": [data, training]},
        "LaunchMultipleRunsResult",
    )
    made, trained = world.started([place, "raw_records"]), world.started([place, "adapter_checkpoint"])

    def again(_: World) -> dict[str, Any]:
        metadata = {"rootRunId": trained, "parentRunId": trained, "tags": []}
        return {"executionParams": {**data, "executionMetadata": metadata}}

    both = needs(place, "start_data", "start_training")
    yield Case("launchPipelineReexecution", both, again, "LaunchRunSuccess")
    for run, action in ((made, "start_data"), (trained, "start_training")):
        repeated = {"reexecutionParams": {"parentRunId": run, "strategy": "ALL_STEPS"}}
        yield Case("launchRunReexecution", needs(place, action), lambda _, given=repeated: given, "LaunchRunSuccess")
    stop, delete = needs(place, "stop_runs"), needs(place, "delete_history")
    yield Case("terminateRun", stop, lambda w: {"runId": w.another(made)}, "TerminateRunSuccess")
    yield Case("terminatePipelineExecution", stop, lambda w: {"runId": w.another(trained)}, "TerminateRunSuccess")
    yield Case(
        "terminateRuns", stop, lambda w: {"runIds": [w.another(made), w.another(trained)]}, "TerminateRunsResult"
    )
    yield Case("deleteRun", delete, lambda w: {"runId": w.another(made)}, "DeletePipelineRunSuccess")
    yield Case("deletePipelineRun", delete, lambda w: {"runId": w.another(made)}, "DeletePipelineRunSuccess")


def of_backfills(place: str) -> Iterator[Case]:
    key = {"path": [place, "monitoring_report"]}
    start = needs(place, "start_reports")
    for params in (
        {"assetSelection": [key], "partitionNames": ["monday"]},
        {"partitionsByAssets": [{"assetKey": key, "partitions": {"range": {"start": "monday", "end": "tuesday"}}}]},
        {
            "selector": {"partitionSetName": f"{place}_monitoring_partition_set", "repositorySelector": REPOSITORY},
            "partitionNames": ["monday"],
        },
    ):
        yield Case(
            "launchPartitionBackfill", start, lambda _, given=params: {"backfillParams": given}, "LaunchBackfillSuccess"
        )
    failed, running = BulkActionStatus.FAILED, BulkActionStatus.REQUESTED
    yield Case(
        "resumePartitionBackfill", start, lambda w: {"backfillId": w.backfill(place, failed)}, "ResumeBackfillSuccess"
    )
    yield Case(
        "reexecutePartitionBackfill",
        start,
        lambda w: {"reexecutionParams": {"parentRunId": w.backfill(place, failed), "strategy": "ALL_STEPS"}},
        "LaunchBackfillSuccess",
    )
    yield Case(
        "cancelPartitionBackfill",
        needs(place, "stop_runs"),
        lambda w: {"backfillId": w.backfill(place, running)},
        "CancelBackfillSuccess",
    )


def of_schedules_and_sensors(world: World, place: str) -> Iterator[Case]:
    automate = needs(place, "automate")
    schedule = {**REPOSITORY, "scheduleName": f"{place}_daily"}
    of_schedule = {"scheduleSelector": schedule}
    (repository,) = world.context.create_request_context().code_locations[0].get_repositories().values()
    daily = repository.get_schedule(f"{place}_daily").get_compound_id()
    yield Case("startSchedule", automate, lambda _: of_schedule, "ScheduleStateResult")
    yield Case("stopRunningSchedule", automate, lambda _: {"id": daily.to_string()}, "ScheduleStateResult")
    yield Case("resetSchedule", automate, lambda _: of_schedule, "ScheduleStateResult")
    asked = {"selectorData": schedule, "timestamp": 1_780_000_000.0}
    yield Case("scheduleDryRun", automate, lambda _: asked, "DryRunInstigationTick")
    for name in (f"{place}_source", f"{place}_alerts"):
        sensor = {**REPOSITORY, "sensorName": name}
        found = repository.get_sensor(name)
        ids = {"jobOriginId": found.get_remote_origin_id(), "jobSelectorId": found.selector_id}
        of_sensor = {"sensorSelector": sensor}
        yield Case("startSensor", automate, lambda _, given=of_sensor: given, "Sensor")
        yield Case("stopSensor", automate, lambda _, given=ids: given, "StopSensorMutationResult")
        yield Case("resetSensor", automate, lambda _, given=of_sensor: given, "Sensor")
        yield Case("setSensorCursor", automate, lambda _, given=of_sensor: {**given, "cursor": "1"}, "Sensor")
        yield Case(
            "sensorDryRun",
            automate,
            lambda _, given=sensor: {"selectorData": given, "cursor": None},
            "DryRunInstigationTick",
        )


def of_events(place: str) -> Iterator[Case]:
    keys = {"repositorySelector": REPOSITORY, "partitionsDefName": f"{place}_customers"}
    automate = needs(place, "automate")
    added = iter(range(1000))

    def add(_: World) -> dict[str, Any]:
        return {**keys, "partitionKey": f"customer {next(added)}"}

    def delete(world: World, **more: Any) -> dict[str, Any]:
        world.instance.add_dynamic_partitions(f"{place}_customers", ["old"])
        return {**keys, "partitionKeys": ["old"], **more}

    def wipe(world: World) -> dict[str, Any]:
        world.materialized(place)
        return {"assetPartitionRanges": [{"assetKey": {"path": [place, "splits"]}}]}

    yield Case("addDynamicPartition", automate, add, "AddDynamicPartitionSuccess")
    yield Case("deleteDynamicPartitions", automate, delete, "DeleteDynamicPartitionsSuccess")
    yield Case(
        "deleteDynamicPartitions",
        needs(place, "automate", "delete_history"),
        lambda world: delete(world, wipeMaterializations=True),
        "UnsupportedOperationError",  # by a database in files, after the right was there
    )
    yield Case("wipeAssets", needs(place, "delete_history"), wipe, "AssetWipeSuccess")
    outside = needs(place, "report_from_outside")
    event = {"eventType": "ASSET_MATERIALIZATION", "assetKey": {"path": [place, "splits"]}}
    yield Case("reportRunlessAssetEvents", outside, lambda _: {"eventParams": event}, "ReportRunlessAssetEventsSuccess")
    verdict = {"assetKey": {"path": [place, "splits"]}, "checkName": "no_leakage", "passed": True}
    yield Case(
        "reportAssetCheckEvaluations", outside, lambda _: {"eventParams": verdict}, "ReportAssetCheckEvaluationsSuccess"
    )


def of_the_installation() -> Iterator[Case]:
    reload, manage = needs(None, "reload"), needs(None, "manage_installation")
    location = {"repositoryLocationName": LOCATION}
    everywhere = [*needs(HERE, "automate"), *needs(THERE, "automate")]
    automation = {"sensorSelector": {**REPOSITORY, "sensorName": "automation"}}
    yield Case("startSensor", everywhere, lambda _: automation, "Sensor")
    yield Case("setAutoMaterializePaused", needs(None, "automate"), lambda _: {"paused": False}, False)
    yield Case("reloadRepositoryLocation", reload, lambda _: location, "WorkspaceLocationEntry")
    yield Case("reloadWorkspace", reload, lambda _: {}, "Workspace")
    state = {"locationName": LOCATION, "defsStateKey": "none"}
    yield Case("refreshComponentState", reload, lambda _: state, "RefreshComponentStateError")
    component = {"locationName": LOCATION, "componentId": "x"}
    edit = needs(None, "edit_use_case")
    whole = {**component, "componentType": "x", "attributes": "{}"}
    yield Case("setAppManagedComponent", edit, lambda _: whole, "UnauthorizedError")
    yield Case("deleteAppManagedComponent", edit, lambda _: component, "UnauthorizedError")
    yield Case("setConcurrencyLimit", manage, lambda _: {"concurrencyKey": "gpu", "limit": 2}, True)

    def limited(world: World) -> dict[str, Any]:
        world.instance.event_log_storage.set_concurrency_slots("gpu", 1)
        return {"concurrencyKey": "gpu"}

    yield Case("deleteConcurrencyLimit", manage, limited, True)
    yield Case("freeConcurrencySlotsForRun", manage, lambda w: {"runId": w.started([HERE, "splits"])}, True)
    yield Case("freeConcurrencySlots", manage, lambda w: {"runId": w.started([HERE, "splits"])}, True)
    telemetry = {"action": "looked", "clientId": "x", "clientTime": "1", "metadata": "{}"}
    yield Case("logTelemetry", needs(None, "see"), lambda _: telemetry, "LogTelemetrySuccess")
    yield Case("setNuxSeen", needs(None, "see"), lambda _: {}, True)
    # The last one: it ends the code server.
    yield Case("shutdownRepositoryLocation", manage, lambda _: location, "ShutdownRepositoryLocationSuccess")


def document(schema: Any, name: str) -> str:
    """A mutation with all its arguments as variables, under another name."""
    field = schema.mutation_type.fields[name]
    variables = ", ".join(f"${argument}: {one.type}" for argument, one in field.args.items())
    given = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    chosen = "" if isinstance(get_named_type(field.type), GraphQLScalarType) else "{__typename}"
    head, tail = (f"({variables})", f"({given})") if variables else ("", "")
    return f"mutation{head} {{answer: {name}{tail} {chosen}}}"


def outcome(world: World, person: str, query: str, arguments: dict[str, Any]) -> Any:
    """What came: `refused`, or the type of the answer."""
    status, body = world.ask(person, query, **arguments)
    if status in (401, 403):
        return "refused"
    answer = (body.get("data") or {}).get("answer", body)
    answer = answer["__typename"] if isinstance(answer, dict) and "__typename" in answer else answer
    return "refused" if answer == "UnauthorizedError" else answer


def test_permission_matrix(tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster_graphql.schema import create_schema

    schema = create_schema().graphql_schema
    assert schema.mutation_type
    monkeypatch.setitem(ASKING, "releaser", RELEASER)
    asked, wrong, done = 0, [], set()
    with world(tmp_path) as made:
        for case in cases(made):
            query = document(schema, case.mutation)
            may = {
                name: person is not None and all(PERMISSIONS.may(person, *need) for need in case.needs)
                for name, person in ASKING.items()
            }
            arguments = case.arguments(made)
            before = made.state()
            for name in (name for name in ASKING if not may[name]):
                got = outcome(made, name, query, arguments)
                wrong += [] if got == "refused" else [(case.mutation, name, case.needs, got)]
            assert made.state() == before, f"{case.mutation} was refused and changed something: {case.needs}"
            for name in (name for name in ASKING if may[name]):
                got = outcome(made, name, query, case.arguments(made))
                wrong += [] if got == case.answer else [(case.mutation, name, case.needs, got)]
            asked += len(ASKING)
            done.add(case.mutation)
    with capsys.disabled():
        counts = f"{len(done)} mutations, {len(ASKING) - 3} roles, nobody and two tokens"
        print(f"\nmutations x roles as declared: {asked - len(wrong)} of {asked} ({counts})")
    assert wrong == [], wrong
    assert done == set(schema.mutation_type.fields)
