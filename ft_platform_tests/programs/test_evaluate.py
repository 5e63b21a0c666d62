"""The program as a compute back end or a person starts it, with a tiny random model."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ft_platform.evaluation.files import read_metrics
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.stages import check_settings_hash
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.evaluation.tiny_case import CANARY, installed, tiny_case


def run_by_hand(environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, **environment.to_variables(), "FT_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "ft_platform.programs.evaluate", "--use-case", "complaints", *arguments]
    return subprocess.run(command, env=variables, cwd=environment.home, capture_output=True, text=True, timeout=300)


def run_here(environment, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    from ft_platform.programs import evaluate

    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FT_THREADS", "1")
    monkeypatch.setattr(sys, "argv", ["evaluate", "--use-case", "complaints", *arguments])
    try:
        evaluate.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.integration
def test_started_by_hand_it_publishes_the_base_evaluation(tmp_path: Path) -> None:
    environment, lake, _, _ = installed(tmp_path, "classification")
    done = run_by_hand(environment, "--which", "base")
    assert done.returncode == 0, done.stderr
    artifact = json.loads(done.stdout[done.stdout.index("{") :])["artifact"]
    published = lake.artifact("complaints", "base_evaluation", artifact["artifact_id"])
    assert published is not None and published.content_hash == artifact["content_hash"]
    expected = ["majority", "nearest_neighbour", "tfidf_logreg", "linear_probe", "base_zero_shot", "base_few_shot"]
    assert list(read_metrics(lake, published)["systems"]) == expected
    assert CANARY not in done.stdout + done.stderr


def test_splits_with_a_failed_check_are_refused_and_nothing_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment, lake, use_case, splits = installed(tmp_path, "classification")
    lake.add_verdict(splits, "no_leakage", False, check_settings_hash(use_case, "splits", "no_leakage"))
    assert run_here(environment, monkeypatch, "--which", "base") == 1
    assert "check no_leakage of splits@0 failed" in capsys.readouterr().err
    assert lake.artifacts("complaints", "base_evaluation") == []


def test_without_a_checkpoint_the_tuned_evaluation_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment, _, _, _ = installed(tmp_path, "classification")
    assert run_here(environment, monkeypatch, "--which", "tuned") == 1
    assert "has no adapter_checkpoint and no base_evaluation" in capsys.readouterr().err


@pytest.mark.integration
def test_the_newest_checkpoint_is_evaluated_unless_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tiny_case(tmp_path, "classification")
    remove(case.lake, case.report)
    assert run_here(case.environment, monkeypatch, "--which", "tuned") == 0
    assert case.lake.artifact("complaints", "evaluation_report", case.report.artifact_id)
    remove(case.lake, case.report)
    (Path(case.checkpoint.uri) / "adapter_model.safetensors").write_bytes(b"damaged")
    assert run_here(case.environment, monkeypatch, "--which", "tuned") == 1
    assert "adapter_model.safetensors" in capsys.readouterr().err
    assert case.lake.artifacts("complaints", "evaluation_report") == []


@pytest.mark.integration
def test_a_tracking_server_that_is_down_is_told_in_the_programs_log_and_the_evaluation_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environment, lake, _, _ = installed(tmp_path, "classification")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        down = environment.model_copy(update={"tracking_uri": f"http://127.0.0.1:{unused.getsockname()[1]}"})
        assert run_here(down, monkeypatch, "--which", "base") == 0
    assert [record.name for record in caplog.records if "tracking failed" in record.message] == ["ft_platform.evaluate"]
    (published,) = lake.artifacts("complaints", "base_evaluation")
    assert lake.manifest(published).info["tracking"].startswith("failed: start")


def remove(lake: Lake, version: ArtifactVersion) -> None:
    lake.fs.rm(version.uri, recursive=True)
