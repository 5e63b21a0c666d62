"""Runs in MLflow: what is sent, and that a tracker that is down costs no checkpoint."""

import logging
import multiprocessing
import shutil
import socket
import sys
from pathlib import Path

import pytest

from ft_platform.errors import MissingExtra
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.tracking import tracker_for
from ft_platform.tracking.trackers.mlflow import without_password
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.test_wandb import assert_both_get_the_same_events
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits, use_case_for

LOG = logging.getLogger("test")
TAGS = {"splits": "splits@0", "content_hash": "ab" * 32}


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory) -> Path:
    """An sqlite store whose tables exist: creating them takes seconds."""
    from mlflow.tracking import MlflowClient

    database = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{database}").search_experiments()
    return database


@pytest.fixture
def tracked(environment, empty_store) -> Environment:
    """An installation with the default tracker."""
    environment.home.mkdir(exist_ok=True)
    shutil.copy(empty_store, environment.home / "mlflow.db")
    return environment.model_copy(update={"tracking_uri": ""})


@pytest.fixture
def use_case(tmp_path):
    return use_case_for(save_tiny_model(tmp_path / "tiny"), learning_rate=5e-3, batch_rows=8, rank=4, max_steps=4)


def client(environment):
    from mlflow.tracking import MlflowClient

    return MlflowClient(environment.mlflow_uri)


def test_a_training_leaves_a_run_with_parameters_curve_adapter_and_tags(lake, tracked, use_case):
    trained = checkpoint_for(lake, tracked, use_case, usable_splits(lake, use_case), LOG)
    state = trained.tracking
    assert state == lake.manifest(trained.checkpoint).info["tracking"] and state["experiment"] == "complaints"
    found = client(tracked)
    run = found.get_run(state["run_id"])
    assert run.info.status == "FINISHED" and run.data.params["rank"] == "4" and run.data.params["batching"] == "packed"
    assert {
        "use_case": "complaints",
        "stage": "adapter_checkpoint",
        "splits": "splits@0",
        "checkpoint_content_hash": trained.checkpoint.content_hash,
    }.items() <= run.data.tags.items()
    assert run.data.metrics["final/validation_loss"] == pytest.approx(trained.metrics["validation_loss"])
    curve = found.get_metric_history(state["run_id"], "loss")
    assert [m.step for m in sorted(curve, key=lambda m: m.step)] == [1, 2, 3, 4]
    assert {"adapter_model.safetensors", "training.json", "manifest.json"} <= {
        f.path for f in found.list_artifacts(state["run_id"])
    }
    assert str(tracked.home) in run.info.artifact_uri, "artifacts must not land in the working directory"


def test_both_trackers_get_the_same_events(lake, tracked, use_case, monkeypatch):
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_ARTIFACT_DIR", "WANDB_MODE"):
        monkeypatch.setenv(name, "set by the tracker, and unset after the test")
    assert_both_get_the_same_events(lake, tracked.model_copy(update={"trackers": ["mlflow", "wandb"]}), use_case)


def test_no_text_of_a_record_reaches_the_tracker(lake, tracked, use_case):
    checkpoint_for(lake, tracked, use_case, usable_splits(lake, use_case), LOG)
    files = [p for p in tracked.home.rglob("*") if p.is_file() and ("mlflow" in str(p))]
    assert len(files) > 4
    assert not any(b"handled badly" in p.read_bytes() for p in files)


def test_a_failed_run_is_marked_with_the_type_of_the_error_only(tracked, use_case):
    states = []

    def fail() -> None:
        with tracker_for(tracked, use_case, "adapter_checkpoint", "ckpt-1", TAGS, LOG) as tracker:
            states.append(tracker.state())
            tracker.metrics(1, {"loss": 2.0})
            raise ValueError("secret text")

    with pytest.raises(ValueError, match="secret"):
        fail()
    run = client(tracked).get_run(states[0]["run_id"])
    assert run.info.status == "FAILED" and run.data.tags["failed"] == "ValueError" and run.data.metrics["loss"] == 2.0
    assert "secret" not in str(run.to_dictionary())


@pytest.mark.integration
def test_a_tracker_that_is_down_costs_a_warning_and_no_checkpoint(lake, environment, use_case, caplog, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        down = environment.model_copy(
            update={"tracking_uri": f"http://user:password@127.0.0.1:{unused.getsockname()[1]}"}
        )
        trained = checkpoint_for(lake, down, use_case, usable_splits(lake, use_case), LOG)
    assert (
        trained.tracking.startswith("failed: start")
        and "tracking failed" in caplog.text
        and "password" not in caplog.text
    )
    assert lake.artifact(use_case.name, "adapter_checkpoint", trained.checkpoint.id)


def test_a_tracker_that_fails_on_the_way_ends_tracking_and_says_so(tracked, use_case, caplog):
    with tracker_for(tracked, use_case, "adapter_checkpoint", "ckpt-1", TAGS, LOG) as tracker:
        (tracked.home / "mlflow.db").unlink()
        (tracked.home / "mlflow.db").write_bytes(b"no database")
        tracker.parameters({"a": 1})
        tracker.finish({"loss": 1.0})
    assert str(tracker.state()).startswith("failed: ") and caplog.text.count("tracking failed") == 1


def test_none_turns_tracking_off(environment, use_case):
    with tracker_for(environment, use_case, "adapter_checkpoint", "ckpt-1", TAGS, LOG) as tracker:
        tracker.metrics(1, {"loss": 1.0})
        tracker.finish({"loss": 1.0})
    assert tracker.state() == "off: tracking_uri is none"
    assert not (environment.home / "mlflow.db").exists()


@pytest.fixture
def without_mlflow(monkeypatch):
    for name in [n for n in sys.modules if n == "mlflow" or n.startswith("mlflow.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)


def test_without_mlflow_the_default_tracker_is_off_and_the_log_says_how_to_add_it(
    without_mlflow, tracked, use_case, caplog
):
    # A program gets the default spelled out as a variable: still the default.
    spelled_out = tracked.model_copy(update={"tracking_uri": tracked.mlflow_uri})
    with (
        caplog.at_level(logging.INFO),
        tracker_for(spelled_out, use_case, "adapter_checkpoint", "ckpt-1", TAGS, LOG) as tracker,
    ):
        pass
    assert tracker.state() == "off: mlflow is not installed" and 'pip install "ft-platform[tracking]"' in caplog.text


def test_without_mlflow_a_tracker_that_was_asked_for_is_an_error(without_mlflow, environment, use_case):
    asked = environment.model_copy(update={"tracking_uri": "http://tracker:5000"})
    with (
        pytest.raises(MissingExtra, match="tracking"),
        tracker_for(asked, use_case, "adapter_checkpoint", "ckpt-1", TAGS, LOG),
    ):
        pass


def _track(environment: Environment, use_case, results) -> None:
    with tracker_for(environment, use_case, "adapter_checkpoint", "ckpt-1", TAGS, LOG) as tracker:
        tracker.metrics(1, {"loss": 1.0})
        tracker.finish({"loss": 1.0})
    results.put(tracker.state())


@pytest.mark.integration
def test_two_processes_may_use_a_new_store_at_once(environment, use_case):
    tracked = environment.model_copy(update={"tracking_uri": ""})
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_track, args=(tracked, use_case, results)) for _ in range(2)]
    for process in processes:
        process.start()
    states = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert all(isinstance(state, dict) for state in states), states
    assert len(client(tracked).search_runs([e.experiment_id for e in client(tracked).search_experiments()])) == 2


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://a:b@host:5000/x", "http://host:5000/x"),
        ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
        ("postgresql://u:p@db/x", "postgresql://db/x"),
    ],
)
def test_a_password_in_the_uri_is_never_shown(uri, shown):
    assert without_password(uri) == shown
