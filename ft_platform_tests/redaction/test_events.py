"""Every kind of event of the installed Dagster passes the edge into a real database and out again: texts are replaced,
and what Dagster reads of it stays as it was. Persons are fictitious."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.asset_health.asset_health import AssetHealthStatus
from dagster._core.definitions.events import (
    AssetLineageInfo,
    AssetMaterializationFailure,
    AssetMaterializationFailureReason,
    AssetMaterializationFailureType,
)
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange, FreshnessStateEvaluation
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.definitions.partitions.snap import PartitionsSnap
from dagster._core.definitions.partitions.subset import (
    AllPartitionsSubset,
    KeyRangesPartitionsSubset,
    PartitionsSubset,
)
from dagster._core.events import (
    AssetFailedToMaterializeData,
    AssetHealthChangedData,
    AssetMaterializationPlannedData,
    AssetObservationData,
    AssetWipedData,
    CodeLocationUpdatedData,
    ComputeLogsCaptureData,
    DagsterEvent,
    EngineEventData,
    HandledOutputData,
    HookErroredData,
    JobCanceledData,
    JobFailureData,
    LoadedInputData,
    ObjectStoreOperationResultData,
    RunEnqueuedData,
    RunFailureReason,
    StepExpectationResultData,
    StepMaterializationData,
)
from dagster._core.execution.plan.inputs import StepInputData
from dagster._core.execution.plan.objects import (
    ErrorSource,
    StepFailureData,
    StepRetryData,
    StepSuccessData,
    TypeCheckData,
    UserFailureData,
)
from dagster._core.execution.plan.outputs import StepOutputData, StepOutputHandle
from dagster._core.storage.compute_log_manager import LogRetrievalShellCommand
from dagster_shared.error import SerializableErrorInfo
from dagster_shared.serdes import deserialize_value, pack_value, serialize_value

from ft_platform.redaction.instance import edge_of, guard

Kind = dg.DagsterEventType
NOW = datetime(2026, 3, 1, tzinfo=UTC)
PERSON = "Marta Canary 7907"
KEY, CHECK, STEP, RUN = dg.AssetKey(["complaints", "monitoring_report"]), "no_alarm", "complaints__step", "a-run"
METADATA = {"rows": dg.MetadataValue.int(3), "said": dg.MetadataValue.text(PERSON)}
ERROR = SerializableErrorInfo(
    f"ValueError: {PERSON}\n",
    ['  File "/srv/a.py", line 3, in f\n'],
    "ValueError",
    cause=SerializableErrorInfo(f"KeyError: {PERSON}\n", [], "KeyError"),
)
TYPE_CHECK = TypeCheckData(True, "any", PERSON, METADATA)
TEXTS = {"message", "user_message", "description", "stack", "text", "label", "address", "version"}
"""Fields of Dagster's classes that nothing of Dagster depends on; `said` is a label of ours."""
TEXTS |= {"stdout", "stderr", "external_url", "external_stdout_url", "external_stderr_url", "value_name"}

DAYS = dg.DailyPartitionsDefinition("2026-01-01", timezone="Europe/Berlin", end_offset=1)
WEEKS = dg.TimeWindowPartitionsDefinition(
    cron_schedule="30 4 * * 1", start="2026-01-05-04:30", fmt="%Y-%m-%d-%H:%M", exclusions=["30 4 1 * *"]
)
BRANDS = dg.StaticPartitionsDefinition(["north", "far south", "west-2"])
BOTH = dg.MultiPartitionsDefinition({"day": DAYS, "brand": BRANDS})
SUBSETS: list[PartitionsSubset] = [
    DAYS.subset_with_partition_keys(["2026-02-02", "2026-02-05"]).to_serializable_subset(),
    WEEKS.subset_with_partition_keys(["2026-01-12-04:30"]).to_serializable_subset(),
    BRANDS.subset_with_partition_keys(["far south", "north"]),
    BOTH.subset_with_partition_keys(["far south|2026-02-02"]),
    *(
        KeyRangesPartitionsSubset(
            key_ranges=[dg.PartitionKeyRange(first, last)], partitions_snap=PartitionsSnap.from_def(definition)
        )
        for definition, first, last in (
            (DAYS, "2026-02-02", "2026-02-05"),
            (WEEKS, "2026-01-12-04:30", "2026-01-19-04:30"),
            (BRANDS, "far south", "west-2"),
            (BOTH, "far south|2026-02-02", "far south|2026-02-03"),
        )
    ),
]


def materialization(partition: str | None) -> StepMaterializationData:
    made = dg.AssetMaterialization(KEY, PERSON, METADATA, partition, tags={"dagster/data_version": "0123abcd" * 2})
    return StepMaterializationData(made, [AssetLineageInfo(KEY, {partition} if partition else set())])


def failed_to_materialize(partition: str | None) -> AssetFailedToMaterializeData:
    failure = AssetMaterializationFailure(
        asset_key=KEY,
        partition=partition,
        failure_type=AssetMaterializationFailureType.FAILED,
        reason=AssetMaterializationFailureReason.RUN_TERMINATED,
    )
    return AssetFailedToMaterializeData(failure, ERROR, "ft_platform", "__repository__")


def evaluated(partition: str | None) -> dg.AssetCheckEvaluation:
    target = AssetCheckEvaluationTargetMaterializationData(storage_id=7, run_id=RUN, timestamp=1e9)
    return dg.AssetCheckEvaluation(
        KEY, CHECK, False, METADATA, target, dg.AssetCheckSeverity.WARN, PERSON, blocking=True, partition=partition
    )


ENGINE = EngineEventData(METADATA, ERROR, "started", "ended")
PARTITIONS = [None, "2026-02-02", "far south", "far south|2026-02-02"]
with partition_loading_context(NOW, dg.DagsterInstance.ephemeral()):
    DATA: dict[dg.DagsterEventType, list[Any]] = {
        Kind.STEP_OUTPUT: [
            StepOutputData(StepOutputHandle(STEP, "result", "key"), TYPE_CHECK, "0123abcd" * 2, METADATA)
        ],
        Kind.STEP_INPUT: [StepInputData(input_name="splits", type_check_data=TYPE_CHECK)],
        Kind.STEP_FAILURE: [
            StepFailureData(ERROR, UserFailureData(PERSON, PERSON, METADATA), ErrorSource.USER_CODE_ERROR)
        ],
        Kind.STEP_SUCCESS: [StepSuccessData(12.5)],
        Kind.STEP_UP_FOR_RETRY: [StepRetryData(ERROR, 3)],
        Kind.ASSET_MATERIALIZATION: [materialization(one) for one in PARTITIONS],
        Kind.ASSET_MATERIALIZATION_PLANNED: [
            *(AssetMaterializationPlannedData(KEY, one) for one in PARTITIONS),
            *(AssetMaterializationPlannedData(KEY, None, one) for one in SUBSETS),
        ],
        Kind.ASSET_FAILED_TO_MATERIALIZE: [failed_to_materialize(one) for one in PARTITIONS],
        Kind.ASSET_OBSERVATION: [
            AssetObservationData(dg.AssetObservation(KEY, PERSON, METADATA, one)) for one in PARTITIONS
        ],
        Kind.STEP_EXPECTATION_RESULT: [StepExpectationResultData(dg.ExpectationResult(True, PERSON, PERSON, METADATA))],
        Kind.ASSET_CHECK_EVALUATION_PLANNED: [
            AssetCheckEvaluationPlanned(asset_key=KEY, check_name=CHECK, partitions_subset=one)
            for one in [None, *SUBSETS]
        ],
        Kind.ASSET_CHECK_EVALUATION: [evaluated(one) for one in PARTITIONS],
        Kind.ASSET_HEALTH_CHANGED: [
            AssetHealthChangedData(
                asset_key=KEY,
                previous_health_state=AssetHealthStatus.HEALTHY,
                new_health_state=AssetHealthStatus.DEGRADED,
            )
        ],
        Kind.ASSET_WIPED: [
            AssetWipedData(asset_key=KEY, partition_keys=one) for one in (None, ["far south", "2026-02-02"])
        ],
        Kind.RUN_ENQUEUED: [RunEnqueuedData("ft_platform", "__repository__", one) for one in PARTITIONS],
        Kind.RUN_FAILURE: [JobFailureData(ERROR, RunFailureReason.STEP_FAILURE)],
        Kind.RUN_CANCELED: [JobCanceledData(ERROR)],
        Kind.OBJECT_STORE_OPERATION: [
            ObjectStoreOperationResultData("SET_OBJECT", "result", METADATA, PERSON, PERSON)  # type: ignore[arg-type]
        ],
        Kind.LOADED_INPUT: [LoadedInputData("splits", "versions", "result", STEP, METADATA)],
        Kind.HANDLED_OUTPUT: [HandledOutputData("result", "versions", METADATA)],
        Kind.HOOK_ERRORED: [HookErroredData(ERROR)],
        Kind.LOGS_CAPTURED: [
            ComputeLogsCaptureData(
                "abcdefgh", [STEP], PERSON, PERSON, PERSON, LogRetrievalShellCommand(stdout=PERSON, stderr=PERSON)
            )
        ],
        Kind.FRESHNESS_STATE_EVALUATION: [FreshnessStateEvaluation(key=KEY, freshness_state=FreshnessState.FAIL)],
        Kind.FRESHNESS_STATE_CHANGE: [
            FreshnessStateChange(
                key=KEY, new_state=FreshnessState.WARN, previous_state=FreshnessState.PASS, state_change_timestamp=1e9
            )
        ],
        Kind.CODE_LOCATION_UPDATED: [
            CodeLocationUpdatedData(
                code_location_name="ft_platform", new_version_key="0123abcd-4567-4a6e-b3e8-e5fc9614e139"
            )
        ],
    }
MARKERS = (Kind.ENGINE_EVENT, Kind.STEP_WORKER_STARTING, Kind.STEP_WORKER_STARTED)
RESOURCES = (Kind.RESOURCE_INIT_STARTED, Kind.RESOURCE_INIT_SUCCESS, Kind.RESOURCE_INIT_FAILURE)
DATA |= {kind: [ENGINE] for kind in (*MARKERS, *RESOURCES)}
WITHOUT = {
    Kind.STEP_START,
    Kind.STEP_SKIPPED,
    Kind.STEP_RESTARTED,
    Kind.RUN_DEQUEUED,
    Kind.RUN_STARTING,
    Kind.RUN_START,
}
WITHOUT |= {Kind.RUN_SUCCESS, Kind.RUN_CANCELING, Kind.RUN_SUSPENDED, Kind.RUN_RESUMED}
WITHOUT |= {Kind.HOOK_COMPLETED, Kind.HOOK_SKIPPED, Kind.ALERT_START, Kind.ALERT_SUCCESS, Kind.ALERT_FAILURE}
"""Kinds that come without data."""
OLD = {Kind.ASSET_STORE_OPERATION}
"""Dagster reads it in old databases, and has no class any more to write it with."""


def events() -> Iterator[DagsterEvent]:
    for kind in Kind:
        for data in [] if kind in OLD else DATA.get(kind, [None]):
            yield DagsterEvent(kind.value, "complaints", step_key=STEP, event_specific_data=data, message=PERSON)


def test_no_kind_of_event_and_no_form_of_partitions_is_missing_here() -> None:
    assert set(Kind) == {*DATA, *WITHOUT, *OLD}
    below = every_class_below(PartitionsSubset)
    forms = {one.__name__ for one in below if one.__module__.startswith("dagster._core.definitions.partitions")}
    storable = forms - {AllPartitionsSubset.__name__}  # which Dagster makes one of the others of, to store it
    assert storable == {type(one).__name__ for one in SUBSETS}


def every_class_below(kind: type) -> set[type]:
    return {one for below in kind.__subclasses__() for one in (below, *every_class_below(below))}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield guard(made)


@pytest.mark.parametrize(
    "event", events(), ids=lambda event: f"{event.event_type_value} {event.event_specific_data}"[:60]
)
def test_an_event_comes_back_with_its_texts_replaced_and_all_else_unchanged(
    event: DagsterEvent, instance: dg.DagsterInstance, request: pytest.FixtureRequest
) -> None:
    run = f"run-{abs(hash(request.node.name))}"
    about = {"error_info": None, "level": 20, "user_message": PERSON, "timestamp": 1e9, "step_key": STEP}
    entry = dg.EventLogEntry(**about, run_id=run, job_name="complaints", dagster_event=event)
    with partition_loading_context(NOW, instance):
        if instance.should_store_event(entry):
            instance.store_event(entry)
            (entry,) = instance.all_logs(run)
        else:  # a database of Dagster's own cloud does
            entry = deserialize_value(serialize_value(edge_of(instance).passed(entry, run)), dg.EventLogEntry)
    assert entry.dagster_event and PERSON not in str(pack_value(entry.dagster_event))
    assert type(entry.dagster_event.event_specific_data) is type(event.event_specific_data)
    assert list(differences(pack_value(event), pack_value(entry.dagster_event))) == []


def differences(before: Any, after: Any, field: str = "") -> Iterator[str]:
    """Where two packed values differ, but for texts with a person in it that stand in one of `TEXTS`."""
    if isinstance(before, dict) and isinstance(after, dict) and set(before) == set(after):
        for name in before:
            yield from differences(before[name], after[name], field if name.startswith("__") else name)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from differences(one, other, field)
    elif before != after and not (field in TEXTS and isinstance(before, str) and isinstance(after, str)):
        yield f"{field}: {before} is {after}"


def test_a_database_that_writes_many_events_at_once_gets_none_of_their_texts() -> None:
    """Dagster's class for Postgres writes a batch by itself."""
    event = DagsterEvent(
        Kind.ASSET_MATERIALIZATION.value, "complaints", step_key=STEP, event_specific_data=materialization(None)
    )
    entry = dg.EventLogEntry(None, 20, "", "run", 1e9, STEP, "complaints", event)
    written: list[dg.EventLogEntry] = []
    with dg.DagsterInstance.ephemeral() as instance:
        instance.event_log_storage.store_event_batch = written.extend  # type: ignore[method-assign]
        guard(instance).event_log_storage.store_event_batch([entry, entry])
        stored = [*written, *instance.all_logs("run")]
        assert len(stored) == 2 and PERSON not in str(stored)
