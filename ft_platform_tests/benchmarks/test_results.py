"""benchmarks.results: what was measured is kept, and runs keep out of each other's way."""

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.results import NotMeasured, alone, code_hash, kept, key_of


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    made = []

    def measure() -> dict:
        made.append(1)
        return {"value": len(made)}

    assert [kept(tmp_path / "of" / "a.json", measure)["value"] for _ in range(2)] == [1, 1]
    with pytest.raises(NotMeasured):
        kept(tmp_path / "of" / "b.json", None)
    assert kept(tmp_path / "of" / "b.json", measure)["value"] == 2


def test_a_measurement_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        kept(tmp_path / "a.json", lambda: 1 / 0)
    assert not (tmp_path / "a.json").exists()


def test_a_result_is_of_its_content_and_of_the_code(tmp_path: Path) -> None:
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1}) != key_of({"a": 1})
    (tmp_path / "one.py").write_text("a = 1")
    before = code_hash(tmp_path)
    (tmp_path / "one.py").write_text("a = 2")
    assert code_hash(tmp_path) != before


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    with alone(tmp_path / "new"), pytest.raises(SystemExit, match="another run uses"), alone(tmp_path / "new"):
        pass
    with alone(tmp_path / "new"):
        pass


def test_a_run_that_is_told_to_end_clears_up_behind_itself(tmp_path: Path) -> None:
    before, cleared = signal.getsignal(signal.SIGTERM), []

    def run() -> None:
        with alone(tmp_path), ExitStack() as servers:
            servers.callback(cleared.append, True)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit, match="143"):
        run()
    assert cleared and signal.getsignal(signal.SIGTERM) is before
