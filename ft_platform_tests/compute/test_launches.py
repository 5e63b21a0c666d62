"""What surrounds the launch of a program: budgets are asked first, and the ledger has a row however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from ft_platform.compute.backends import local
from ft_platform.compute.program_runs import run_program
from ft_platform.costs.ledger import Ledger
from ft_platform.errors import BudgetExceeded, ProgramKilled
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.budgets import Budgets
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.compute.test_local import is_running, stand_in_python
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes, write_use_case
from ft_platform_tests.costs.test_ledger import named
from ft_platform_tests.test_stopped_runs import COMPONENT


@pytest.fixture
def launch(tmp_path: Path, environment: Environment, monkeypatch):
    """Runs a program of the stand-in as the step of an asset. Returns its result, or raises what it raised."""
    monkeypatch.setattr(local.sys, "executable", stand_in_python(tmp_path))
    monkeypatch.setenv("FT_WARM_PROGRAMS", "0")
    profiles = {"local": ComputeProfile(price_per_hour=3600.0, gpus=1, watts=100.0)}
    priced = environment.model_copy(update={"profiles": profiles})

    def launch(program: str, budgets: Budgets | None = None):
        found = []

        @dg.asset
        def step(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            try:
                update = {"budgets": budgets or Budgets()}
                found.append(run_program(context, priced.model_copy(update=update), named(), program, {}))
            except BaseException as error:
                found.append(error)
            return dg.MaterializeResult()

        assert dg.materialize([step], instance=dg.DagsterInstance.ephemeral()).success
        if isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

    return launch


def test_a_program_run_is_in_the_ledger_and_its_cost_in_the_metadata_of_the_asset(launch, lake: Lake):
    result = launch("reports_artifact")
    [row] = Ledger(lake).rows()
    found = (row["program"], row["state"], row["artifact"], len(row["dagster_run"]))
    assert found == ("reports_artifact", "finished", "a-1", 36)
    assert row["seconds"] > 0 and row["cpu_seconds"] > 0, "of the child process"
    assert row["money"] == pytest.approx(row["seconds"], abs=1e-3), "a second costs 1 EUR"
    shown = result.cost_metadata()
    expected = {
        "cost/money",
        "cost/currency",
        "cost/program_seconds",
        "cost/cpu_seconds",
        "cost/gpu_seconds",
        "cost/kwh",
    }
    assert set(shown) == expected
    assert (shown["cost/money"], shown["cost/currency"]) == (pytest.approx(row["money"]), "EUR")


def test_a_killed_program_is_in_the_ledger_too(launch, lake: Lake):
    with pytest.raises(ProgramKilled):
        launch("dies")
    assert [(row["state"], row["error"]) for row in Ledger(lake).rows()] == [("failed", "ProgramKilled")]


def test_a_program_is_not_started_once_the_budget_is_spent(launch, lake: Lake, tmp_path):
    launch("reports_artifact")
    (tmp_path / "pid").unlink()
    with pytest.raises(BudgetExceeded, match="program reports_artifact of complaints was not started"):
        launch("reports_artifact", Budgets(per_use_case=0.01))
    assert not (tmp_path / "pid").exists() and len(Ledger(lake).rows()) == 1


WITH_DEATH_SIGNAL = COMPONENT.replace('"sleeps"', '"sleeps_like_a_program"')


@pytest.mark.integration
def test_a_killed_run_worker_leaves_no_program_behind_and_a_row_in_the_ledger(
    environment, lake: Lake, tmp_path, monkeypatch
):
    """The stand-in prepares its process as the real programs do."""
    file = write_use_case(environment.defs, "slow", minimal_attributes("records.csv"))
    file.write_text(file.read_text().replace("ft_platform.components.FineTuningUseCase", ".component.Slow"))
    (file.parent / "component.py").write_text(WITH_DEATH_SIGNAL)
    kept = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    variables = {**kept, **environment.to_variables(), "STAND_IN": stand_in_python(tmp_path), "FT_WARM_PROGRAMS": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "ft_platform.cli", "run", "slow"],
        env=variables,
        cwd=REPOSITORY,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 150
        while not (tmp_path / "started").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        assert is_running(tmp_path)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 10
    while is_running(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(tmp_path)
    assert [(row["use_case"], row["state"]) for row in Ledger(lake).rows()] == [("slow", "running")], (
        "lost, once it gave no sign of life for a minute"
    )
    [still_open] = Path(lake.path_of("shared", "_costs", "open")).glob("*.json")
    assert json.loads(still_open.read_text())["dagster_run"]
