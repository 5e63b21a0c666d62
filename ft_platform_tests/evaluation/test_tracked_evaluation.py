"""Evaluations and fairness in MLflow, in a real sqlite store: figures, pages, and the link to the training run."""

import dataclasses
import json
import logging
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import MissingExtra, VersionRefused
from ft_platform.evaluation.files import METRICS, PREDICTIONS, read_predictions
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.reporting.publishing.fairness import publish_fairness
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.tracking import runs_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.evaluation.tiny_case import CANARY, installed

LOG = logging.getLogger("test")
PARENT = "mlflow.parentRunId"
ENDS = (("value", ""), ("low", "_low"), ("high", "_high"))


@dataclasses.dataclass
class TrackedCase:
    environment: Environment
    lake: Lake
    use_case: NamedUseCase
    splits: TableVersion
    base: ArtifactVersion
    checkpoint: ArtifactVersion
    report: ArtifactVersion
    fairness: ArtifactVersion

    @property
    def client(self) -> Any:
        from mlflow.tracking import MlflowClient

        return MlflowClient(self.environment.mlflow_uri)

    def run_id(self, version: ArtifactVersion) -> str:
        return runs_of(self.lake.manifest(version).info["tracking"])["mlflow"]["run_id"]

    def run(self, version: ArtifactVersion) -> Any:
        return self.client.get_run(self.run_id(version))

    def files(self, version: ArtifactVersion) -> set[str]:
        return {file.path for file in self.client.list_artifacts(self.run_id(version))}

    def remove(self, version: ArtifactVersion) -> None:
        self.lake.fs.rm(version.uri, recursive=True)

    def evaluated_again(self, environment: Environment) -> ArtifactVersion:
        return publish_evaluation_report(
            self.lake, environment, self.use_case, self.splits, self.checkpoint, self.base, LOG
        )


def tracked_case(home: Path, kind: str, trackers: Sequence[str] = ("mlflow",)) -> TrackedCase:
    untracked, lake, use_case, splits = installed(home, kind)
    environment = untracked.model_copy(update={"tracking_uri": "", "trackers": list(trackers)})
    base = publish_base_evaluation(lake, environment, use_case, splits)
    checkpoint = checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
    report = publish_evaluation_report(lake, environment, use_case, splits, checkpoint, base)
    fairness = publish_fairness(lake, use_case, report, environment)
    return TrackedCase(environment, lake, use_case, splits, base, checkpoint, report, fairness)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> TrackedCase:
    return tracked_case(tmp_path_factory.mktemp("tracked"), "classification")


@pytest.fixture
def without_report(case: TrackedCase) -> Iterator[TrackedCase]:
    """The evaluation has to be done again; afterwards everything is as before."""
    kept = Path(case.report.uri)
    kept.rename(kept.with_name(".kept"))
    yield case
    if kept.exists():
        case.remove(case.report)
    kept.with_name(".kept").rename(kept)


def test_every_figure_of_every_system_is_a_metric_with_its_interval(case: TrackedCase) -> None:
    for version in (case.base, case.report):
        run = case.run(version)
        systems = json.loads(case.lake.read_file(version, METRICS))["systems"]
        expected = {
            f"{system}/{metric}{end}": figure[key]
            for system, found in systems.items()
            for metric, figure in found.items()
            for key, end in ENDS
        }
        assert len(expected) == len(systems) * 4 * 3
        assert {name: run.data.metrics[name] for name in expected} == pytest.approx(expected)
        assert run.info.status == "FINISHED" and run.data.metrics["test_rows"] == 12
        assert run.data.params["bootstrap_samples"] == str(case.use_case.settings.evaluation.bootstrap_samples)


def test_the_advantage_over_each_other_system_is_a_metric_of_the_report_only(case: TrackedCase) -> None:
    difference = json.loads(case.lake.read_file(case.report, METRICS))["differences"]["base_zero_shot"]["macro_f1"]
    found = case.run(case.report).data.metrics
    seen = {key: found[f"fine_tuned_minus_base_zero_shot/macro_f1{end}"] for key, end in ENDS}
    assert seen == pytest.approx({key: difference[key] for key, _ in ENDS})
    figures = json.loads(case.lake.read_file(case.report, METRICS))
    seen = found["fine_tuned_minus_base_zero_shot/macro_f1_p_corrected"]
    assert seen == pytest.approx(figures["tests"]["base_zero_shot"]["p_corrected"])
    assert found["fine_tuned/calibration_error"] == pytest.approx(figures["calibration"]["fine_tuned"]["ece"]["value"])
    assert not [name for name in case.run(case.base).data.metrics if "minus" in name]


def test_differences_between_groups_are_metrics_and_the_groups_are_not(case: TrackedCase) -> None:
    found = json.loads(case.lake.read_file(case.fairness, "fairness.json"))
    compared = found["features"]["region"]
    assert compared["differences"], "the case must have groups to compare"
    run = case.run(case.fairness)
    for name, difference in compared["differences"].items():
        seen = {key: run.data.metrics[f"region/{name}_difference{end}"] for key, end in ENDS}
        assert seen == pytest.approx({key: difference[key] for key, _ in ENDS})
    seen = run.data.metrics["region/demographic_parity_difference"]
    assert seen == pytest.approx(compared["demographic_parity"]["value"])
    assert run.data.metrics["within_max_gap"] == float(found["within_max_gap"])
    assert run.data.params["max_gap"] == str(case.use_case.settings.fairness.max_gap)
    assert "north" not in str(run.to_dictionary())


def test_reports_are_nested_in_the_training_run_and_carry_the_checkpoint(case: TrackedCase) -> None:
    training = case.run(case.checkpoint)
    for version in (case.report, case.fairness):
        run = case.run(version)
        assert run.data.tags[PARENT] == training.info.run_id and run.info.experiment_id == training.info.experiment_id
        expected = {
            "stage": version.name,
            "checkpoint": case.checkpoint.id,
            f"{version.name}_content_hash": version.content_hash,
        }
        assert expected.items() <= run.data.tags.items() and run.info.run_name == version.id
    assert case.run(case.report).data.tags["base_evaluation"] == case.base.id
    assert PARENT not in case.run(case.base).data.tags


def test_one_filter_finds_a_checkpoint_with_everything_about_it(case: TrackedCase) -> None:
    experiment = case.client.get_experiment_by_name("complaints").experiment_id
    same = f"tags.checkpoint_content_hash = '{case.checkpoint.content_hash}'"
    found = {run.data.tags["stage"] for run in case.client.search_runs([experiment], same)}
    assert found == {"adapter_checkpoint", "evaluation_report", "fairness_report"}
    nested = case.client.search_runs([experiment], f"tags.`{PARENT}` = '{case.run_id(case.checkpoint)}'")
    assert {run.info.run_name for run in nested} == {case.report.id, case.fairness.id}


def test_pages_plots_and_figures_are_artifacts_and_predictions_are_not(case: TrackedCase) -> None:
    pictures = {"systems.png", "per_class.png", "confusion_matrix.png", "calibration.png"}
    assert case.files(case.report) == {"report.html", "funnel.png", "slices.png", *pictures, METRICS}
    assert case.files(case.fairness) == {"report.html", "groups_region.png", "fairness.json"}
    assert case.files(case.base) == {"report.html", *pictures, METRICS}
    assert PREDICTIONS in case.lake.manifest(case.report).files


def test_no_text_and_no_test_record_reaches_a_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With answers as texts: what the model wrote is in the predictions, by record id."""
    for name in ("DATA", "CACHE", "CONFIG", "ARTIFACT"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", "set by the tracker, and unset after the test")
    generated = tracked_case(tmp_path, "generation", ["mlflow", "wandb"])
    sent = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and {"mlflow", "wandb"} & {part.split(".")[0].split("-")[0] for part in path.parts}
    ]
    names = {path.name for path in sent}
    assert {"report.html", METRICS, "fairness.json", "mlflow.db"} <= names and PREDICTIONS not in names
    runs = [path for path in sent if path.suffix == ".wandb"]
    assert len(runs) == 4 and all(path.stat().st_size > 500 for path in runs), (
        "training, base evaluation, evaluation and fairness"
    )
    record, *_ = read_predictions(generated.lake, generated.report)["record_id"].to_pylist()
    for path in sent:
        assert [text for text in (CANARY, "Sorry about your", record) if text.encode() in path.read_bytes()] == [], path


def test_an_evaluation_that_is_there_already_makes_no_run(case: TrackedCase) -> None:
    experiment = case.client.get_experiment_by_name("complaints").experiment_id
    before = len(case.client.search_runs([experiment]))
    assert case.evaluated_again(case.environment) == case.report
    assert publish_fairness(case.lake, case.use_case, case.report, case.environment) == case.fairness
    assert len(case.client.search_runs([experiment])) == before


def test_an_evaluation_that_fails_is_a_failed_run_in_the_training_run(
    without_report: TrackedCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise VersionRefused("secret text", "")

    case = without_report
    monkeypatch.setattr("ft_platform.reporting.publishing.evaluation.require_same_rendering", refuse)
    with pytest.raises(VersionRefused):
        case.evaluated_again(case.environment)
    experiment = case.client.get_experiment_by_name("complaints").experiment_id
    (run,) = case.client.search_runs([experiment], "attributes.status = 'FAILED'")
    assert run.data.tags["failed"] == "VersionRefused" and run.data.tags[PARENT] == case.run_id(case.checkpoint)
    assert "secret" not in str(run.to_dictionary())


def test_a_deleted_training_run_leaves_an_evaluation_that_stands_alone(
    without_report: TrackedCase, caplog: pytest.LogCaptureFixture
) -> None:
    case = without_report
    case.client.delete_run(case.run_id(case.checkpoint))
    with caplog.at_level(logging.INFO):
        report = case.evaluated_again(case.environment)
    case.client.restore_run(case.run_id(case.checkpoint))
    tags = case.run(report).data.tags
    assert PARENT not in tags and tags["checkpoint"] == case.checkpoint.id
    assert "deleted in this tracking store" in caplog.text


def test_a_training_run_of_another_store_leaves_an_evaluation_that_stands_alone(
    without_report: TrackedCase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = without_report.environment.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path}/other.db"})
    with caplog.at_level(logging.INFO):
        moved = dataclasses.replace(without_report, environment=other)
        report = moved.evaluated_again(other)
    assert PARENT not in moved.run(report).data.tags and "missing in this tracking store" in caplog.text


def test_a_tracker_that_is_down_costs_a_warning_and_no_report(
    without_report: TrackedCase, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    case = without_report
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        tracking_uri = f"http://user:password@127.0.0.1:{unused.getsockname()[1]}"
        down = case.environment.model_copy(update={"tracking_uri": tracking_uri})
        report = case.evaluated_again(down)
    assert case.lake.artifact("complaints", "evaluation_report", report.id) == report
    assert case.lake.manifest(report).info["tracking"].startswith("failed: start")
    assert caplog.text.count("tracking failed") == 1 and "password" not in caplog.text


def test_an_artifact_store_that_is_down_costs_a_warning_and_no_report(
    without_report: TrackedCase, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of boto3 are neither MLflow's nor the operating system's."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    other = without_report.environment.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path}/other.db"})
    case = dataclasses.replace(without_report, environment=other)
    case.client.create_experiment("complaints", artifact_location="s3://bucket/runs")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        report = case.evaluated_again(other)
    assert case.lake.artifact("complaints", "evaluation_report", report.id) == report
    assert caplog.text.count("tracking failed (artifacts: ") == 1
    assert case.run(report).data.metrics["fine_tuned/macro_f1"] >= 0


def test_without_mlflow_the_default_tracker_is_off(
    without_report: TrackedCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_mlflow(monkeypatch)
    report = without_report.evaluated_again(without_report.environment)
    assert without_report.lake.manifest(report).info["tracking"] == "off: mlflow is not installed"


def test_without_mlflow_a_tracker_that_was_asked_for_is_an_error(
    without_report: TrackedCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_mlflow(monkeypatch)
    asked = without_report.environment.model_copy(update={"tracking_uri": "http://tracker:5000"})
    with pytest.raises(MissingExtra, match="tracking"):
        without_report.evaluated_again(asked)


def test_none_turns_tracking_off(without_report: TrackedCase) -> None:
    report = without_report.evaluated_again(without_report.environment.model_copy(update={"tracking_uri": "none"}))
    assert without_report.lake.manifest(report).info["tracking"] == "off: tracking_uri is none"


def without_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n == "mlflow" or n.startswith("mlflow.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)
