"""The sensor on a real graph: every tick is an event, and one run starts, whoever asks and however often."""

import multiprocessing
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.monitoring.retraining.entries import Start
from ft_platform.monitoring.retraining.journal import alone, ask, end, entries, write
from ft_platform.orchestration import retraining_watch
from ft_platform.orchestration.instance import prepare_home
from ft_platform.use_case.file import load_use_case
from ft_platform_tests.graph import Graph, StandInBackend, records, write_csv
from ft_platform_tests.graph_template import BACKEND, NAME, GraphTemplate
from ft_platform_tests.retraining.daemon import daemon, evaluated

pytestmark = pytest.mark.integration

DATA = ("raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits")
TRAINED = (*DATA, "base_evaluation", "adapter_checkpoint")


class Clock:
    """Stands in for `datetime` in the sensor."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self, zone: Any) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(retraining_watch, "datetime", made)
    return made


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    def run(graph):
        graph.look_at_source()
        asked = graph.settle(TRAINED)
        assert not any("adapter_checkpoint" in one for one in asked), "automation makes the data stages alone"

    return GraphTemplate(tmp_path_factory.mktemp("settled"), run, retraining={"mode": "by_reasons"})


@pytest.fixture
def backend(monkeypatch):
    stand_in = StandInBackend()
    monkeypatch.setattr(BACKEND, stand_in.run)
    return stand_in


@pytest.fixture
def graph(template, backend, quick_stages):
    with template.copy() as made:
        yield made


def tick(graph: Graph) -> list[dg.RunRequest]:
    """One tick as the daemon makes it; it keeps no cursor, so each is that of a daemon that starts anew."""
    found = evaluated(graph.definitions(), graph.environment, graph.instance)
    return [found] if isinstance(found, dg.RunRequest) else []


def run(graph: Graph, request: dg.RunRequest) -> bool:
    job = graph.definitions().resolve_job_def(NAME)
    selection = [dg.AssetKey([NAME, stage]) for stage in TRAINED]
    tags = {**request.tags, "dagster/run_key": str(request.run_key)}
    return job.execute_in_process(
        instance=graph.instance, asset_selection=selection, tags=tags, raise_on_error=False
    ).success


def observed(graph: Graph) -> list[dg.AssetObservation]:
    records = graph.instance.fetch_observations(dg.AssetKey([NAME, "retraining_decision"]), limit=100).records
    return [one.asset_observation for one in records if one.asset_observation]


def test_new_content_starts_one_run_and_every_tick_is_an_event(graph, backend):
    (request,) = tick(graph)
    assert tick(graph) == [], "it is asked for and not yet there"
    assert run(graph, request) and backend.started.count("train") == 1
    assert [tick(graph) for _ in range(3)] == [[], [], []]
    assert len(observed(graph)) == 5
    first, last = observed(graph)[-1].metadata, observed(graph)[0].metadata
    assert first["started"].value == request.run_key and first["holds"].value == "new_content"
    assert last["started"].value == "no" and {"waiting", "cool_down"} <= set(last["blocked_by"].value.split(", "))
    assert "new_content: 0 new permitted records" in last["needs"].value
    assert "new_content: 90 permitted records" in first["why"].value
    assert "waits for its release decision" in last["why"].value
    (ended,) = entries(open_lake(graph.environment), NAME).ends
    assert (ended.start, ended.state) == (request.run_key, "succeeded")


def test_what_started_a_run_that_failed_starts_none_again(graph, template, clock):
    (request,) = tick(graph)
    template.source.rename(template.source.with_name("moved"))
    assert not run(graph, request)
    assert tick(graph) == []
    assert entries(open_lake(graph.environment), NAME).ends[0].state == "failed"
    clock.ahead = timedelta(days=30)
    assert tick(graph) == []
    assert request.run_key in observed(graph)[0].metadata["needs"].value


def test_a_start_whose_run_never_came_is_asked_for_again_under_the_same_key(graph, clock):
    """The daemon was killed after the entry and before the run."""
    (request,) = tick(graph)
    clock.ahead = timedelta(minutes=16)
    (again,) = tick(graph)
    assert again.run_key == request.run_key
    assert run(graph, again) and tick(graph) == []
    assert len(entries(open_lake(graph.environment), NAME).starts) == 1


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-400)])
def test_a_clock_that_jumps_during_a_run_starts_no_other(graph, clock, jump):
    (request,) = tick(graph)
    graph.instance.create_run_for_job(
        graph.definitions().resolve_job_def(NAME), tags={"dagster/run_key": str(request.run_key)}
    )
    clock.ahead = jump
    assert tick(graph) == []
    clock.ahead = timedelta()
    assert tick(graph) == []


def test_the_start_of_another_dagster_instance_is_waited_for(graph):
    use_case = load_use_case(graph.environment.defs / NAME / "defs.yaml")
    lake = open_lake(graph.environment)
    with alone(graph.environment, NAME):
        write(lake, use_case, Start("start-other", 1, datetime(2026, 1, 1, tzinfo=UTC), "another", {}, ""))
    assert tick(graph) == [] and "running" in observed(graph)[0].metadata["blocked_by"].value
    with alone(graph.environment, NAME):
        end(lake, use_case, entries(lake, NAME).starts[0], datetime.now(UTC), "given up")
    assert len(tick(graph)) == 1


def test_a_person_starts_one_run_though_a_candidate_waits(graph):
    (request,) = tick(graph)
    assert run(graph, request) and tick(graph) == []
    use_case = load_use_case(graph.environment.defs / NAME / "defs.yaml")
    ask(open_lake(graph.environment), graph.environment, use_case, "New products since Monday", datetime.now(UTC))
    (asked,) = tick(graph)
    assert observed(graph)[0].metadata["holds"].value == "person"
    assert "Monday" not in str(observed(graph)[0].metadata), "what persons write stays in the lake"
    assert run(graph, asked) and [tick(graph), tick(graph)] == [[], []]


def test_more_records_than_a_tenth_start_the_next_one(graph, template, backend, clock):
    (request,) = tick(graph)
    assert run(graph, request)
    publish_refusal(graph)
    graph.settle(DATA)
    write_csv(template.source, [*records(), *records(2, start=50)])
    assert graph.look_at_source()
    graph.settle(DATA)
    clock.ahead = timedelta(days=8)
    assert tick(graph) == [] and "6 new permitted records" in observed(graph)[0].metadata["needs"].value
    write_csv(template.source, [*records(), *records(3, start=50)])
    assert graph.look_at_source()
    graph.settle(DATA)
    (second,) = tick(graph)
    assert second.run_key != request.run_key and run(graph, second) and backend.started.count("train") == 2


def publish_refusal(graph: Graph) -> None:
    """The decision about the newest checkpoint."""
    lake = open_lake(graph.environment)
    checkpoint = lake.artifacts(NAME, "adapter_checkpoint")[0].artifact_id
    info = {"decision": "refused", "checkpoint": checkpoint}
    with lake.scratch(NAME, "release_decision") as folder:
        folder.mkdir()
        (folder / "decision.json").write_text(checkpoint)
        name, hashes = f"decision-{checkpoint}", {"settings_hash": "s", "input_hash": "i"}
        lake.publish(NAME, "release_decision", name, folder, parents=[], info=info, **hashes)


def test_two_daemons_at_the_same_moment_start_one_run(graph):
    prepare_home(graph.environment)
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    children = [context.Process(target=daemon, args=(graph.environment, barrier, answers)) for _ in range(2)]
    for child in children:
        child.start()
    found = [answers.get(timeout=120) for _ in children]
    for child in children:
        child.join(60)
    assert sum(map(bool, found)) == 1
    (start,) = entries(open_lake(graph.environment), NAME).starts
    with dg.DagsterInstance.from_config(str(graph.environment.dagster_home)) as instance:
        records = instance.fetch_observations(dg.AssetKey([NAME, "retraining_decision"]), limit=9).records
        said = [one.asset_observation.metadata for one in records if one.asset_observation]
    assert {one["started"].value for one in said} == {start.id, "no"}, "nothing is withheld by the instance"
    assert all("nobody asks for one" in str(one["needs"].value) for one in said)


def test_after_three_losses_the_check_warns(graph, monkeypatch):
    from ft_platform.monitoring.retraining import rules

    monkeypatch.setattr(rules, "LOSSES", 1)
    (request,) = tick(graph)
    assert run(graph, request)
    publish_refusal(graph)
    tick(graph)
    key = dg.AssetCheckKey(dg.AssetKey([NAME, "retraining_decision"]), retraining_watch.CHECK)
    record = graph.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    found = record.event.dagster_event.asset_check_evaluation_data
    assert not found.passed and "more of the same data does not help" in found.metadata["says"].value
