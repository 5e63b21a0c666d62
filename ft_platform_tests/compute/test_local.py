"""The back end `local`: a real subprocess that is told how many threads it has, and watched while it runs. What all
back ends keep: `test_contract.py`."""

import json
import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.compute.backend import Launch
from ft_platform.compute.backends import local
from ft_platform.process import progress
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes

STAND_IN = REPOSITORY / "ft_platform_tests" / "compute" / "stand_in.py"
KEY = dg.AssetKey(["complaints", "adapter_checkpoint"])


def stand_in_python(folder: Path) -> str:
    """An interpreter that runs the stand-in, whatever module it is to run."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nSTAND_IN_FOLDER={folder} exec {sys.executable} {STAND_IN} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


@pytest.fixture
def start(tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch):
    """Runs a program of the stand-in as the step of an asset. Returns what the back end returned, or raises what it
    raised."""
    monkeypatch.setattr(local.sys, "executable", stand_in_python(tmp_path))
    monkeypatch.setenv("FT_WARM_PROGRAMS", "0")

    def start(
        program: str, profile: ComputeProfile | None = None, instance: dg.DagsterInstance | None = None, **compute: Any
    ) -> dict[str, Any]:
        settings = UseCase.model_validate(minimal_attributes("records.csv"))
        update = {"compute": settings.compute.model_copy(update={"grace_seconds": 0.5, **compute})}
        settings = settings.model_copy(update=update)
        use_case = NamedUseCase(name="complaints", settings=settings)
        found: list[Any] = []

        @dg.asset(key=KEY)
        def adapter_checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            try:
                found.append(
                    local.run(
                        Launch(
                            context, environment, profile or ComputeProfile(), use_case, program, {"told": "a handle"}
                        )
                    )
                )
            except BaseException as error:  # an interrupt is no Exception
                found.append(error)
            return dg.MaterializeResult()

        assert dg.materialize([adapter_checkpoint], instance=instance or dg.DagsterInstance.ephemeral()).success
        if isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

    return start


def variables(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "variables").read_text())


def is_running(folder: Path) -> bool:
    try:
        return Path(f"/proc/{(folder / 'pid').read_text()}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(("threads", "expected"), [(3, "3"), (0, str(len(os.sched_getaffinity(0))))])
def test_threads_are_pinned_before_the_program_starts(start, tmp_path, threads, expected):
    start("tells_variables", threads=threads)
    told = variables(tmp_path)
    assert (told["FT_THREADS"], told["OMP_NUM_THREADS"], told["OMP_WAIT_POLICY"]) == (expected, expected, "PASSIVE")


def test_the_program_gets_the_environment_of_the_installation_and_the_orders(start, tmp_path, environment):
    start("tells_variables")
    told = variables(tmp_path)
    assert {name: told.get(name) for name in environment.to_variables()} == environment.to_variables()
    found = (told["extras"]["use_case"], told["extras"]["told"], set(told["extras"]))
    assert found == ("complaints", "a handle", {"use_case", "settings", "told"})


def test_variables_of_the_compute_profile_win(start, tmp_path):
    environment = {"CUDA_VISIBLE_DEVICES": "1", "OMP_NUM_THREADS": "7"}
    start("tells_variables", ComputeProfile(environment=environment), threads=2)
    told = variables(tmp_path)
    assert (told["CUDA_VISIBLE_DEVICES"], told["OMP_NUM_THREADS"], told["FT_THREADS"]) == ("1", "7", "2")


def test_progress_reaches_listeners_at_once_and_the_log_of_the_run_while_the_program_runs(start, tmp_path):
    """The program goes on only once both have been seen: what came after its end would be too late."""
    updates: list[progress.Update] = []
    with dg.DagsterInstance.ephemeral() as instance, progress.listening(updates.append):

        def logged() -> list[str]:
            (run,) = instance.get_runs()
            entries = [entry for entry in instance.all_logs(run.run_id) if entry.dagster_event is None]
            return [entry.user_message for entry in entries if "loss" in entry.user_message]

        args = (tmp_path / "seen", lambda: len(updates) >= 3 and len(logged()) >= 1)
        watching = threading.Thread(target=touch_when, args=args)
        watching.start()
        assert start("reports_losses", instance=instance)["artifact"]
        watching.join()
        found = [(update.done, update.fields["loss"]) for update in updates]
        assert found == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3)), (4, 0.251234567)]
        assert logged() == [
            "1 of 4 steps: loss 1, learning_rate 0.0001, tokens_per_second 900, memory_gib 1.5",
            "4 of 4 steps: loss 0.25123",
        ], "between the first and the last line ten seconds must pass"
        assert not instance.fetch_observations(KEY, limit=10).records, "they would bury the materializations"


def touch_when(path: Path, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline:
        if condition():
            path.touch()
            return
        time.sleep(0.05)
