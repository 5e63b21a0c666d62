"""Training is requested once when content or settings change, and not otherwise. Real ticks on an ephemeral
instance."""

import dagster as dg
import pytest

from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import Graph, StandInBackend, records, write_csv
from ft_platform_tests.graph_template import GraphTemplate

pytestmark = pytest.mark.integration

WATCHED = (
    "raw_records",
    "permitted_records",
    "cleaned_records",
    "anonymized_records",
    "splits",
    "base_evaluation",
    "adapter_checkpoint",
)


@pytest.fixture
def backend(monkeypatch):
    stand_in = StandInBackend()
    monkeypatch.setattr("ft_platform.compute.backends.local.run", stand_in.run)
    return stand_in


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    def run(graph):
        graph.look_at_source()
        graph.settle(WATCHED)

    made = GraphTemplate(tmp_path_factory.mktemp("settled"), run, retraining={"mode": "on_data_change"})
    assert made.started.count("train") == 1, "the first content trains once"
    return made


@pytest.fixture
def csv_file(template):
    return template.source


@pytest.fixture
def graph(template, backend, quick_stages):
    with template.copy() as made:
        yield made


def trainings(asked: list[set[str]]) -> int:
    return sum("adapter_checkpoint" in requested for requested in asked)


def test_new_content_requests_exactly_one_training_run(graph, backend, csv_file):
    write_csv(csv_file, [*records(), *records(5, start=50)])
    assert graph.look_at_source()
    asked = graph.settle(WATCHED)
    assert trainings(asked) == 1
    assert backend.started.count("train") == 1
    before_training = [
        s for requested in asked[: [("adapter_checkpoint" in r) for r in asked].index(True)] for s in requested
    ]
    assert before_training == ["raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"]


def test_a_change_that_is_reported_again_requests_nothing_more(graph, backend, csv_file):
    """The daemon was stopped after the event and before it stored the cursor; later somebody resets the cursor."""
    write_csv(csv_file, [*records(), *records(5, start=50)])
    cursor = graph.sensor_cursor
    assert graph.look_at_source()
    graph.sensor_cursor = cursor
    assert graph.look_at_source()
    asked = graph.settle(WATCHED)
    assert trainings(asked) == 1 and sum("raw_records" in requested for requested in asked) == 1
    graph.sensor_cursor = None
    assert graph.look_at_source()
    assert not any(graph.settle(WATCHED))
    assert backend.started.count("train") == 1


@pytest.mark.smoke  # seam: graph
def test_identical_content_requests_no_training(graph, backend, csv_file):
    write_csv(csv_file, records())
    assert not graph.look_at_source(), "the same bytes are no change"
    assert trainings(graph.settle(WATCHED)) == 0
    write_csv(csv_file, list(reversed(records())))
    assert graph.look_at_source(), "other bytes are looked at"
    assert trainings(graph.settle(WATCHED)) == 0
    assert "train" not in backend.started


def test_a_re_run_of_any_stage_with_the_same_content_requests_no_training(graph, backend):
    for stage in WATCHED[:5]:
        assert graph.run(stage).success
        assert trainings(graph.settle(WATCHED)) == 0
    assert "train" not in backend.started


def test_changed_training_settings_request_exactly_one_training_run(graph, backend):
    changed = {"training.learning_rate": 0.001}
    assert trainings(graph.settle(WATCHED, overrides=changed)) == 1
    assert backend.started == ["train"]


def test_changed_unrelated_settings_request_no_training(graph, backend):
    changed = {
        "release.intended_use": "Another sentence on the model card.",
        "fairness.max_gap": 0.1,
        "retraining.poll_seconds": 600,
    }
    assert trainings(graph.settle(WATCHED, overrides=changed)) == 0
    assert backend.started == []


def test_a_changed_evaluation_prompt_evaluates_again_and_trains_nothing(graph, backend):
    assert trainings(graph.settle(WATCHED, overrides={"evaluation.few_shot_examples": 5})) == 0
    assert "train" not in backend.started


def test_a_failed_check_requests_no_training_until_it_passes(graph, backend, csv_file):
    write_csv(csv_file, [*records(), *records(5, start=50)])
    graph.look_at_source()
    too_many = {"validation.min_rows": 100_000}
    assert trainings(graph.settle(WATCHED, overrides=too_many)) == 0
    assert backend.started == []
    assert trainings(graph.settle(WATCHED)) == 1, "the check passes again"
    assert backend.started.count("train") == 1


def test_on_demand_never_requests_training(environment, tmp_path, backend):
    source = write_csv(tmp_path / "complaints.csv", records())
    write_use_case(environment.defs, "quiet", minimal_attributes(str(source)))
    with dg.DagsterInstance.ephemeral() as instance:
        graph = Graph(environment, "quiet", instance)
        graph.look_at_source()
        asked = graph.settle(WATCHED)
    assert trainings(asked) == 0
    assert any("splits" in requested for requested in asked), "light stages still follow the content"
    assert backend.started == []
