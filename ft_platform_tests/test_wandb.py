"""Weights & Biases for real, offline: the same events as in MLflow, nothing about person or machine, nothing sent."""

import getpass
import importlib
import json
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_platform.assets.stage import tracking
from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.tracking import runs_of, tracker_for, training_run
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.mlflow_server import mlflow_server
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits, use_case_for

pytestmark = pytest.mark.integration

LOG = logging.getLogger("test")
TAGS = {"splits": "splits@0", "content_hash": "ab" * 32}


@pytest.fixture(autouse=True)
def variables_as_before() -> Iterator[None]:
    """The tracker sets variables that wandb reads; without this a later test would have them."""
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def both(environment: Environment, tmp_path: Path) -> Iterator[Environment]:
    """A real MLflow server, and wandb offline."""
    with mlflow_server(tmp_path) as address:
        yield environment.model_copy(update={"tracking_uri": address, "trackers": ["mlflow", "wandb"]})


@pytest.fixture
def only_wandb(environment: Environment) -> Environment:
    return environment.model_copy(update={"trackers": ["wandb"]})


@pytest.fixture
def use_case(tmp_path: Path) -> NamedUseCase:
    return use_case_for(save_tiny_model(tmp_path / "tiny"), learning_rate=5e-3, batch_rows=8, rank=4, max_steps=4)


def records_of(folder: Path) -> list[Any]:
    """What an offline run wrote: wandb's log of protobuf records, in blocks of 32 kB as LevelDB has them."""
    record = importlib.import_module("wandb.proto.wandb_internal_pb2").Record
    (file,) = folder.glob("*.wandb")
    data, place, parts, found = file.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
        _, length, kind = struct.unpack_from("<IHB", data, place)
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            found.append(record.FromString(parts))
            parts = b""
    return found


def history_of(folder: Path) -> dict[int, dict[str, float]]:
    """Step -> figures."""
    steps = {}
    for one in records_of(folder):
        if one.WhichOneof("record_type") == "history":
            values = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in one.history.item}
            steps[int(values["_step"])] = {key: value for key, value in values.items() if not key.startswith("_")}
    return steps


def assert_both_get_the_same_events(lake: Any, both: Environment, use_case: NamedUseCase) -> None:
    """Trains once with both trackers and compares what they hold. `test_tracking.py` has it with a database, here it is
    a server."""
    from mlflow.tracking import MlflowClient

    trained = checkpoint_for(lake, both, use_case, usable_splits(lake, use_case), LOG)
    runs = runs_of(lake.manifest(trained.checkpoint).info["tracking"])
    assert list(runs) == ["mlflow", "wandb"] and training_run(lake, trained.checkpoint) == {
        name: run["run_id"] for name, run in runs.items()
    }
    client, folder = MlflowClient(both.mlflow_uri), both.home / "wandb" / runs["wandb"]["folder"]
    assert folder.is_relative_to(both.home / "wandb")
    history = history_of(folder)
    for name in ("loss", "validation_loss", "learning_rate"):
        curve = {m.step: m.value for m in client.get_metric_history(runs["mlflow"]["run_id"], name)}
        assert (
            curve == {step: pytest.approx(values[name]) for step, values in history.items() if name in values}
            and len(curve) >= 2
        )
    found = {one.WhichOneof("record_type"): one for one in records_of(folder)}
    config = {
        item.key: json.loads(item.value_json)
        for one in records_of(folder)
        if one.WhichOneof("record_type") == "config"
        for item in one.config.update
    }
    config |= {item.key: json.loads(item.value_json) for item in found["run"].run.config.update}
    parameters = client.get_run(runs["mlflow"]["run_id"]).data.params
    assert {key: str(config[key]) for key in parameters} == parameters
    assert config["checkpoint_content_hash"] == trained.checkpoint.content_hash and config["splits"] == "splits@0"
    summary = {
        item.key or "/".join(item.nested_key): json.loads(item.value_json)
        for one in records_of(folder)
        if one.WhichOneof("record_type") == "summary"
        for item in one.summary.update
    }
    assert summary["final/validation_loss"] == pytest.approx(trained.metrics["validation_loss"])
    files = {file.path for file in client.list_artifacts(runs["mlflow"]["run_id"])}
    assert {entry.path for entry in found["artifact"].artifact.manifest.contents} == files
    shown = tracking(lake.manifest(trained.checkpoint))
    assert "tracking/wandb" not in shown, "an offline run has no address"
    if both.tracking_uri:
        link = shown["tracking/mlflow"].value
        assert link.startswith(f"{both.tracking_uri}/#/experiments/") and link.endswith(
            f"/runs/{runs['mlflow']['run_id']}"
        )


@pytest.mark.components(name="mlflow")
@pytest.mark.slow  # starting the server takes half a minute
def test_a_server_and_wandb_get_the_same_events_and_the_run_has_a_link(
    lake: Any, both: Environment, use_case: NamedUseCase
) -> None:
    assert_both_get_the_same_events(lake, both, use_case)


def test_a_failed_run_says_the_type_of_the_error_and_the_exit_code(
    only_wandb: Environment, use_case: NamedUseCase
) -> None:
    folders: list[Path] = []

    def fail() -> None:
        with tracker_for(only_wandb, use_case, "adapter_checkpoint", "ckpt-1", TAGS, LOG) as tracker:
            folders.append(only_wandb.home / "wandb" / runs_of(tracker.state())["wandb"]["folder"])
            tracker.metrics(1, {"loss": 2.0})
            raise ValueError("secret text")

    with pytest.raises(ValueError, match="secret"):
        fail()
    assert history_of(folders[0]) == {1: {"loss": 2.0}}
    assert [one.exit.exit_code for one in records_of(folders[0]) if one.WhichOneof("record_type") == "exit"] == [1]
    written = b"".join(file.read_bytes() for file in (only_wandb.home / "wandb").rglob("*") if file.is_file())
    assert b"ValueError" in written and b"secret" not in written


def test_figures_of_an_earlier_step_are_not_lost(only_wandb: Environment, use_case: NamedUseCase) -> None:
    with tracker_for(only_wandb, use_case, "adapter_checkpoint", "ckpt-1", TAGS, LOG) as tracker:
        folder = only_wandb.home / "wandb" / runs_of(tracker.state())["wandb"]["folder"]
        tracker.metrics(5, {"loss": 1.0})
        tracker.metrics(0, {"late": 7.0})
        tracker.finish({})
    summary = {
        item.key: item.value_json
        for one in records_of(folder)
        if one.WhichOneof("record_type") == "summary"
        for item in one.summary.update
    }
    assert float(summary["late"]) == 7.0


def test_nothing_of_person_machine_and_records_is_written(
    lake: Any, only_wandb: Environment, use_case: NamedUseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "person-canary-7751")
    monkeypatch.setenv("USER", "person-canary-7751")
    monkeypatch.setenv("WANDB_USERNAME", "person-canary-7751")
    assert getpass.getuser() == "person-canary-7751"
    monkeypatch.setattr(sys, "argv", ["argument-canary-7752"])
    checkpoint_for(lake, only_wandb, use_case, usable_splits(lake, use_case), LOG)
    files = [file for file in (only_wandb.home / "wandb").rglob("*") if file.is_file()]
    assert any(file.suffix == ".wandb" for file in files) and any(
        file.read_bytes().count(b"lora_A") for file in files
    ), "the adapter is among them"
    canaries = [
        "handled badly",
        "person-canary",
        "argument-canary",
        f'"{socket.gethostname()}"',
        "github.com",
        "api_key",
    ]
    assert [(canary, file.name) for file in files for canary in canaries if canary.encode() in file.read_bytes()] == []


TRAIN_NOTHING = """
import logging, sys
from pathlib import Path
from ft_platform.use_case.settings.environment import Environment
from ft_platform.tracking import tracker_for
from ft_platform_tests.mlflow_server import mlflow_server
from ft_platform_tests.tiny_models import use_case_for
environment = Environment(home=Path(sys.argv[1]), trackers=["wandb"])
with tracker_for(environment, use_case_for("none"), "adapter_checkpoint", "ckpt-1", {}, logging.getLogger()) as tracker:
    tracker.parameters({"rank": 4})
    tracker.metrics(1, {"loss": 1.0})
    tracker.finish({"loss": 1.0})
assert tracker.state()["run_id"], tracker.state()
"""


def test_offline_nobody_is_called(tmp_path: Path) -> None:
    """Every way out of the process and of wandb's own service leads to a socket that counts who comes."""
    callers: list[Any] = []
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        address = f"http://127.0.0.1:{trap.getsockname()[1]}"

        def accept() -> None:
            while True:
                try:
                    callers.append(trap.accept()[1])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        with socket.create_connection(trap.getsockname()):
            pass
        out = dict.fromkeys(
            ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "WANDB_BASE_URL"), address
        )
        variables = {**os.environ, **out, "NO_PROXY": "", "no_proxy": "", "WANDB_API_KEY": "a" * 40}
        subprocess.run(
            [sys.executable, "-c", TRAIN_NOTHING, str(tmp_path / "home")], env=variables, check=True, timeout=240
        )
        trap.shutdown(socket.SHUT_RDWR)
    assert len(callers) == 1, "the trap itself works, and nobody else came"


def test_online_needs_a_key_from_the_environment(
    only_wandb: Environment, use_case: NamedUseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    online = only_wandb.model_copy(update={"wandb_mode": "online"})
    with (
        pytest.raises(ConfigError, match="WANDB_API_KEY"),
        tracker_for(online, use_case, "adapter_checkpoint", "ckpt-1", TAGS, LOG),
    ):
        pass


def test_online_without_a_server_costs_a_warning(
    only_wandb: Environment, use_case: NamedUseCase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ft_platform.tracking.trackers.wandb.INIT_SECONDS", 3)
    monkeypatch.setenv("WANDB_API_KEY", "b" * 40)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        online = only_wandb.model_copy(update={"wandb_mode": "online"})
        with tracker_for(online, use_case, "adapter_checkpoint", "ckpt-1", TAGS, LOG) as tracker:
            tracker.metrics(1, {"loss": 1.0})
            tracker.finish({})
    assert (
        str(tracker.state()).startswith("failed: start")
        and caplog.text.count("tracking failed") == 1
        and "b" * 40 not in caplog.text
    )


def test_without_wandb_it_is_an_error_that_names_the_extra(
    only_wandb: Environment, use_case: NamedUseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with (
        pytest.raises(MissingExtra, match=r"ft-platform\[wandb\]"),
        tracker_for(only_wandb, use_case, "adapter_checkpoint", "ckpt-1", TAGS, LOG),
    ):
        pass


@pytest.mark.parametrize(
    ("value", "trackers"), [("wandb", ["wandb"]), ("mlflow, wandb", ["mlflow", "wandb"]), ("none", [])]
)
def test_the_environment_chooses_the_trackers_and_programs_get_the_same(
    value: str, trackers: list[str], environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, given in {
        **environment.to_variables(),
        "FT_TRACKERS": value,
        "FT_WANDB_MODE": "online",
        "FT_WANDB_ENTITY": "team",
    }.items():
        monkeypatch.setenv(name, given)
    found = load_environment()
    assert found.trackers == trackers and found.wandb_mode == "online" and found.wandb_entity == "team"
    assert {name: found.to_variables()[name] for name in ("FT_TRACKERS", "FT_WANDB_MODE", "FT_WANDB_ENTITY")} == {
        "FT_TRACKERS": ",".join(trackers) or "none",
        "FT_WANDB_MODE": "online",
        "FT_WANDB_ENTITY": "team",
    }


@pytest.mark.parametrize("value", ["mlflow,mlflow", "comet"])
def test_an_unknown_or_repeated_tracker_is_an_error(
    value: str, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, given in {**environment.to_variables(), "FT_TRACKERS": value}.items():
        monkeypatch.setenv(name, given)
    with pytest.raises(ConfigError, match="trackers"):
        load_environment()


def test_no_trackers_at_all(environment: Environment, use_case: NamedUseCase) -> None:
    with tracker_for(
        environment.model_copy(update={"trackers": []}), use_case, "adapter_checkpoint", "ckpt-1", TAGS, LOG
    ) as tracker:
        tracker.finish({"loss": 1.0})
    assert tracker.state() == "off: the environment names no trackers"
