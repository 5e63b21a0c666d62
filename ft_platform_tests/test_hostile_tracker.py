"""A tracking server that hangs or answers garbage costs a training a warning; one that only the environment of MLflow names is not asked at all."""

import logging
import os
import shutil
from pathlib import Path
from random import Random

import pytest

from ft_platform.tracking import tracker, tracker_for
from ft_platform_tests.attacks.areas.endpoints import ANSWERS, hostile_server
from ft_platform_tests.test_tracking import empty_store  # noqa: F401
from ft_platform_tests.tiny_models import use_case_for

LOG = logging.getLogger("test")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "CALL_SECONDS", 0.5)
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.parametrize("answer", ["dripped headers", "a dripped body", "noise", "other JSON", "another host", "a wait without end", "nothing"])
def test_a_server_that_hangs_or_answers_garbage_costs_a_warning(environment, tmp_path: Path, answer: str) -> None:
    with hostile_server(ANSWERS[answer], Random(1)) as server:
        hostile = environment.model_copy(update={"tracking_uri": f"http://127.0.0.1:{server.server_address[1]}"})
        with tracker_for(hostile, use_case_for(tmp_path), "adapter_checkpoint", "ckpt", {}, LOG) as tracked:
            tracked.parameters({"rank": 4})
            tracked.metrics(1, {"loss": 1.0})
            tracked.finish({"loss": 1.0})
        assert server.paths  # type: ignore[attr-defined]
        assert str(tracked.state()).startswith("failed: start: ")


def test_what_only_the_environment_of_mlflow_names_gets_nothing(environment, empty_store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    environment.home.mkdir(exist_ok=True)
    shutil.copy(empty_store, environment.home / "mlflow.db")
    monkeypatch.setattr(tracker, "CALL_SECONDS", 120.0)
    with hostile_server(ANSWERS["other JSON"], Random(1)) as server:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_ARTIFACTS_URI", "HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_address[1]}")
        for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME"):
            monkeypatch.setenv(name, "somebody")
        (tmp_path / "kept").mkdir()
        (tmp_path / "kept" / "training.json").write_text("{}")
        own = environment.model_copy(update={"tracking_uri": ""})
        with tracker_for(own, use_case_for(tmp_path), "adapter_checkpoint", "ckpt", {}, LOG) as tracked:
            tracked.parameters({"rank": 4})
            tracked.finish({"loss": 1.0}, tmp_path / "kept")
        assert isinstance(tracked.state(), dict), tracked.state()
        assert server.paths == []  # type: ignore[attr-defined]
