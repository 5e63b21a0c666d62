"""Runs of stages as OpenLineage events, at a real receiver; each is valid by OpenLineage's own schema."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import jsonschema
import pytest
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent
from dagster._core.execution.plan.objects import StepSuccessData
from referencing import Registry, Resource

from ft_platform.orchestration import lineage_watch as watched
from ft_platform.orchestration.lineage_watch import lineage_watch, step_events
from ft_platform.tracking.openlineage import StepEvent, to_json
from ft_platform.use_case.settings.alerting import Lineage
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import Graph, records, write_csv
from ft_platform_tests.monitoring.alerts.receivers import HttpReceiver

NAME = "complaints"
STAGES = ["raw_records", "permitted_records", "cleaned_records"]
SCHEMAS = {
    schema["$id"]: schema
    for path in (Path(__file__).parents[1] / "tracking" / "openlineage").glob("*.json")
    for schema in [json.loads(path.read_text())]
}
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
KEY = "not-a-real-key-71e0"


def valid(event: dict[str, Any]) -> dict[str, Any]:
    """The same event; the whole is checked, and each facet by the schema that it names."""
    registry: Registry = Registry().with_resources((i, Resource.from_contents(s)) for i, s in SCHEMAS.items())
    checks = {"registry": registry, "format_checker": jsonschema.Draft202012Validator.FORMAT_CHECKER}
    jsonschema.Draft202012Validator(SCHEMAS[SPEC], **checks).validate(event)
    datasets = [*event["inputs"], *event["outputs"]]
    holders = [event["run"], event["job"], *datasets]
    facets = [facet for holder in holders for facet in holder.get("facets", {}).items()]
    facets += [facet for one in event["outputs"] for facet in one.get("outputFacets", {}).items()]
    for name, facet in facets:
        reference = facet["_schemaURL"]
        jsonschema.Draft202012Validator({"$ref": reference}, **checks).validate(facet)
        assert name.startswith("ft_") or "/facets/" in reference
    return event


class Collected:
    """A use case, its runs, and what the collector gets at each tick."""

    def __init__(self, environment: Environment, receiver: HttpReceiver) -> None:
        attributes = minimal_attributes(str(write_csv(environment.home.parent / "complaints.csv", records())))
        write_use_case(environment.defs, NAME, attributes)
        self.receiver = receiver
        lineage = Lineage(url=receiver.url, api_key_variable="FT_TEST_KEY", namespace="tests")
        self.graph = Graph(environment.model_copy(update={"lineage": lineage}), NAME, dg.DagsterInstance.ephemeral())
        self.cursor: str | None = None
        self.skipped = ""

    def tick(self) -> list[dict[str, Any]]:
        before = len(self.receiver.got)
        definitions = self.graph.definitions()
        with dg.build_sensor_context(
            instance=self.graph.instance, cursor=self.cursor, repository_def=definitions.get_repository_def()
        ) as context:
            data = definitions.resolve_sensor_def("openlineage").evaluate_tick(context)
        self.cursor, self.skipped = data.cursor, data.skip_message or ""
        return [valid(json.loads(body)) for _, body in self.receiver.got[before:]]


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["eventType"], event["job"]["name"].partition("/")[2]) for event in events]


@pytest.fixture
def collected(environment: Environment, monkeypatch: pytest.MonkeyPatch, quick_stages: None) -> Iterator[Collected]:
    receiver = HttpReceiver()
    monkeypatch.setenv("FT_TEST_KEY", KEY)
    yield Collected(environment, receiver)
    receiver.stop()


@pytest.mark.integration
def test_each_stage_is_told_with_what_it_read_and_made_and_nothing_of_a_record(collected: Collected) -> None:
    assert collected.tick() == []
    assert collected.graph.run(*STAGES).success
    events = collected.tick()
    assert kinds(events) == [(kind, stage) for stage in STAGES for kind in ("START", "COMPLETE")]
    assert collected.tick() == [] and collected.tick() == [], "nothing twice"

    cleaned = events[-1]
    (permitted,) = cleaned["inputs"]
    assert permitted["name"] == f"{NAME}/permitted_records"
    assert permitted["facets"]["version"] == events[3]["outputs"][0]["facets"]["version"]
    (table,) = cleaned["outputs"]
    event = collected.graph.instance.get_latest_materialization_event(dg.AssetKey([NAME, "cleaned_records"]))
    assert event and event.asset_materialization
    metadata = event.asset_materialization.metadata
    assert table["facets"]["ft_contentHash"]["sha256"] == metadata["content_hash"].value
    assert table["facets"]["version"]["datasetVersion"] == str(metadata["content_hash"].value)[:32]
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == metadata["dagster/row_count"].value
    assert {"name": "record_id", "type": "string"} in [
        {"name": field["name"], "type": field["type"]} for field in table["facets"]["schema"]["fields"]
    ]
    assert cleaned["run"]["runId"] == events[-2]["run"]["runId"] != events[0]["run"]["runId"]
    assert cleaned["run"]["facets"]["parent"]["run"]["runId"] == event.run_id

    sent = b"".join(body for _, body in collected.receiver.got).decode()
    assert not any(row["text"][:20] in sent or row["id"] in sent for row in records())
    environment = collected.graph.environment
    assert str(environment.home) not in sent and "complaints.csv" not in sent
    assert all(headers["authorization"] == f"Bearer {KEY}" for headers, _ in collected.receiver.got)
    assert KEY not in sent and KEY not in str(collected.cursor)


@pytest.mark.integration
def test_a_collector_that_is_down_is_told_later_and_one_that_refuses_holds_nothing_up(collected: Collected) -> None:
    collected.tick()
    collected.receiver.status = 503
    assert collected.graph.run("raw_records").success, "no run waits for a collector"
    assert kinds(collected.tick()) == [("START", "raw_records")]
    assert "answers 503" in collected.skipped
    collected.receiver.status = 200
    assert kinds(collected.tick()) == [("START", "raw_records"), ("COMPLETE", "raw_records")]
    collected.receiver.status = 400
    assert collected.graph.run("permitted_records").success
    assert len(collected.tick()) == 2, "each is refused, and the next is tried"
    collected.receiver.status = 200
    assert collected.tick() == []


@pytest.mark.integration
def test_a_stage_that_fails_is_told_by_the_class_of_its_error(collected: Collected) -> None:
    collected.tick()
    os.remove(collected.graph.environment.home.parent / "complaints.csv")
    assert not collected.graph.run(*STAGES).success
    events = collected.tick()
    assert kinds(events) == [("START", "raw_records"), ("FAIL", "raw_records")]
    error = events[-1]["run"]["facets"]["errorMessage"]
    assert error["message"] == "SourceError" and "stackTrace" not in error


class Going:
    """A run of one stage that goes on while the sensor looks."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        @dg.asset
        def stage() -> None: ...

        self.instance = instance
        self.job = dg.Definitions(assets=[stage]).resolve_implicit_global_asset_job_def()
        self.run = instance.create_run_for_job(self.job)
        data = AssetMaterializationPlannedData(dg.AssetKey("stage"))
        planned = DagsterEvent.build_asset_materialization_planned_event(self.run.job_name, "stage", data)
        instance.report_dagster_event(planned, self.run.run_id)
        self.report(dg.DagsterEventType.RUN_START, None)

    def report(self, kind: dg.DagsterEventType, step: str | None = "stage", **data: Any) -> None:
        event = DagsterEvent(kind.value, self.run.job_name, step_key=step, **data)
        self.instance.report_dagster_event(event, self.run.run_id)

    def ends(self) -> None:
        self.report(dg.DagsterEventType.STEP_SUCCESS, event_specific_data=StepSuccessData(1.0))
        self.report(dg.DagsterEventType.RUN_SUCCESS, None)


def test_a_run_that_goes_on_is_told_in_parts_whatever_ends_meanwhile(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, instance = HttpReceiver(), dg.DagsterInstance.ephemeral()
    (sensor,) = lineage_watch(environment.model_copy(update={"lineage": Lineage(url=receiver.url)}))
    monkeypatch.setattr(watched, "OVERLAP_SECONDS", 0.0)
    cursor: str | None = None

    def tick() -> list[str]:
        nonlocal cursor
        before = len(receiver.got)
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            cursor = sensor.evaluate_tick(context).cursor
        return [valid(json.loads(body))["eventType"] for _, body in receiver.got[before:]]

    assert tick() == []
    slow = Going(instance)
    slow.report(dg.DagsterEventType.STEP_START)
    assert tick() == ["START"] and tick() == []
    quick = Going(instance)
    quick.report(dg.DagsterEventType.STEP_START)
    quick.ends()
    assert tick() == ["START", "COMPLETE"]
    slow.ends()
    assert tick() == ["COMPLETE"]
    assert tick() == [] and json.loads(str(cursor))["runs"] == {}, "nothing is kept of what ended"
    receiver.stop()


def test_a_step_that_ended_with_its_run_is_told() -> None:
    instance = dg.DagsterInstance.ephemeral()
    going = Going(instance)
    going.report(dg.DagsterEventType.STEP_START)
    instance.report_run_failed(going.run)
    events = step_events(instance, going.run, {})
    assert [event.kind for event in events] == ["START", "FAIL"]
    assert valid(json.loads(to_json(events[-1], "tests")))["eventType"] == "FAIL"


def test_an_event_that_is_no_openlineage_is_found() -> None:
    told = StepEvent(
        "START", datetime(2026, 11, 28, tzinfo=UTC), "a" * 8 + "-0000-4000-8000-" + "b" * 12, "j", "s", ("s",)
    )
    event = valid(json.loads(to_json(told, "tests")))
    for broken in (
        {**event, "eventTime": "yesterday"},
        {**event, "run": {"runId": "7"}},
        {**event, "eventType": "END"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            valid(broken)


def test_nothing_is_told_unless_a_collector_is_named(environment: Environment) -> None:
    assert lineage_watch(environment) == []
    assert watched.TICK_SECONDS < 60
