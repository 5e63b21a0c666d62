"""A tracking server that hangs or answers garbage costs a training a warning; one that only the environment of MLflow
names is not asked at all."""

import json
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

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


@pytest.mark.parametrize(
    "answer",
    ["dripped headers", "a dripped body", "noise", "other JSON", "another host", "a wait without end", "nothing"],
)
def test_a_server_that_hangs_or_answers_garbage_costs_a_warning(environment, tmp_path: Path, answer: str) -> None:
    with hostile_server(ANSWERS[answer], Random(1)) as server:
        hostile = environment.model_copy(update={"tracking_uri": f"http://127.0.0.1:{server.server_address[1]}"})
        with tracker_for(hostile, use_case_for(tmp_path), "adapter_checkpoint", "ckpt", {}, LOG) as tracked:
            tracked.parameters({"rank": 4})
            tracked.metrics(1, {"loss": 1.0})
            tracked.finish({"loss": 1.0})
        assert server.paths  # type: ignore[attr-defined]
        assert str(tracked.state()).startswith("failed: start: ")


def test_what_only_the_environment_of_mlflow_names_gets_nothing(
    environment,
    empty_store,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment.home.mkdir(exist_ok=True)
    shutil.copy(empty_store, environment.home / "mlflow.db")
    monkeypatch.setattr(tracker, "CALL_SECONDS", 120.0)
    with hostile_server(ANSWERS["other JSON"], Random(1)) as server:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_ARTIFACTS_URI", "HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_address[1]}")
        for name in (
            "MLFLOW_TRACKING_TOKEN",
            "MLFLOW_TRACKING_USERNAME",
            "MLFLOW_TRACKING_PASSWORD",
            "MLFLOW_RUN_ID",
            "MLFLOW_EXPERIMENT_NAME",
        ):
            monkeypatch.setenv(name, "somebody")
        (tmp_path / "kept").mkdir()
        (tmp_path / "kept" / "training.json").write_text("{}")
        own = environment.model_copy(update={"tracking_uri": ""})
        with tracker_for(own, use_case_for(tmp_path), "adapter_checkpoint", "ckpt", {}, LOG) as tracked:
            tracked.parameters({"rank": 4})
            tracked.finish({"loss": 1.0}, tmp_path / "kept")
        assert isinstance(tracked.state(), dict), tracked.state()
        assert server.paths == []  # type: ignore[attr-defined]


@contextmanager
def server_that_names(place: str) -> Iterator[str]:
    """Address of a tracking server as MLflow's client sees it, with this place for the files of every run."""
    info = {
        "run_id": "r" * 32,
        "experiment_id": "1",
        "status": "RUNNING",
        "lifecycle_stage": "active",
        "artifact_uri": place,
    }
    answer = {
        "experiment": {
            "experiment_id": "1",
            "name": "letters",
            "lifecycle_stage": "active",
            "artifact_location": place,
        },
        "run": {"info": info, "data": {}},
        "run_info": info,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("scheme", ["file://", "", "runs:/"])
def test_a_server_makes_nobody_write_into_a_folder_of_this_machine(
    environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(tracker, "CALL_SECONDS", 60.0)
    for folder in ("kept", "victim"):
        (tmp_path / folder).mkdir()
    (tmp_path / "kept" / "training.json").write_text("{}")
    with server_that_names("runs:/abc/victim" if scheme == "runs:/" else f"{scheme}{tmp_path}/victim") as uri:
        hostile = environment.model_copy(update={"tracking_uri": uri})
        with tracker_for(hostile, use_case_for(tmp_path), "adapter_checkpoint", "ckpt", {}, LOG) as tracked:
            tracked.parameters({"rank": 4})
            tracked.finish({"loss": 1.0}, tmp_path / "kept")
    assert str(tracked.state()).startswith("failed: artifacts: LocalPlaceRefused: ")
    assert list((tmp_path / "victim").iterdir()) == []
