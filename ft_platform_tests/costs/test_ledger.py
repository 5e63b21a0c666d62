"""The ledger has one row per program run, also of those that failed, were stopped or lost; many may append at once."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from ft_platform.costs import ledger as ledger_module
from ft_platform.costs.ledger import SCHEMA, Ledger, month_of
from ft_platform.costs.metering import metered
from ft_platform.costs.prices import cost_of
from ft_platform.costs.spent import spent
from ft_platform.errors import ProgramKilled, TransientError
from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes

PROFILE = ComputeProfile(price_per_hour=36.0, gpus=2, watts=500.0)


def named(name: str = "complaints", **compute) -> NamedUseCase:
    return NamedUseCase(name=name, settings=UseCase.model_validate({**minimal_attributes("x.csv"), "compute": compute}))


@pytest.mark.parametrize(
    ("profile", "gpu_watts", "gpu_hours", "money", "kwh"),
    [
        (ComputeProfile(), None, 0.0, None, None),
        (ComputeProfile(price_per_hour=0.0), None, 0.0, 0.0, None),  # a machine of your own
        (ComputeProfile(price_per_hour=3.0), None, 0.0, 1.5, None),  # half an hour
        (ComputeProfile(price_per_hour=3.0, gpus=4, watts=1000.0), None, 2.0, 1.5, 0.5),
        (
            ComputeProfile(price_per_hour=3.0, gpus=4, watts=1000.0),
            300.0,
            2.0,
            1.5,
            0.6,
        ),  # 4 GPUs of 300 W for half an hour
    ],
)
def test_money_and_energy_are_those_of_the_time(profile, gpu_watts, gpu_hours, money, kwh):
    cost = cost_of(1800, profile, gpu_watts)
    assert (cost.gpu_hours, cost.money, cost.kwh) == (gpu_hours, money, pytest.approx(kwh) if kwh else None)


def test_a_program_run_becomes_one_row_with_what_it_took(lake: Lake):
    with metered(lake, named(), PROFILE, "train", "run-1") as run:
        assert [row["state"] for row in Ledger(lake).rows()] == ["running"]
        run.note({"artifact": {"artifact_id": "ckpt-1"}, "metrics": {"tokens": 700, "gpu_power_watts": 300.0}})
        time.sleep(0.05)
    [row] = Ledger(lake).rows()
    assert set(row) == set(SCHEMA.names)
    assert (row["state"], row["use_case"], row["program"], row["profile"], row["tokens"], row["artifact"]) == (
        "finished",
        "complaints",
        "train",
        "local",
        700,
        "ckpt-1",
    )
    assert row["dagster_run"] == "run-1" and row["error"] is None and row["month"] == month_of()
    assert row["seconds"] >= 0.05 and row["gpu_seconds"] == pytest.approx(2 * row["seconds"], abs=0.002)
    assert row["money"] == pytest.approx(row["seconds"] / 100, abs=1e-4) and row["kwh"] == pytest.approx(
        row["seconds"] * 600 / 3.6e6, abs=2e-6
    )


@pytest.mark.parametrize(("price", "money"), [(None, None), (0.0, 0.0)])
def test_what_nobody_knows_the_price_of_is_not_free(lake: Lake, price: float | None, money: float | None):
    with metered(lake, named(), ComputeProfile(price_per_hour=price), "train"):
        assert [row["money"] for row in Ledger(lake).rows()] == [money], "while it runs"
    rows = Ledger(lake).rows()
    assert [row["money"] for row in rows] == [money]
    assert spent(rows) == {"EUR": money}
    known = {**rows[0], "money": 2.5}
    assert spent([*rows, known, *rows]) == {"EUR": 2.5}


def test_a_cost_of_0_that_an_earlier_version_wrote_is_not_known(lake: Lake):
    with metered(lake, named(), ComputeProfile(price_per_hour=0.0), "train"):
        pass
    (row,) = Ledger(lake).rows()
    earlier = pa.Table.from_pylist([{**row, "run": "earlier"}], SCHEMA).drop_columns(["price_per_hour"])
    write_deltalake(Ledger(lake).uri, earlier, mode="append", schema_mode="merge")
    assert {row["run"]: row["money"] for row in Ledger(lake).rows()} == {row["run"]: 0.0, "earlier": None}


def test_the_figures_of_a_checkpoint_that_was_used_again_are_not_counted_twice(lake: Lake):
    with metered(lake, named(), PROFILE, "train") as run:
        run.note({"artifact": {"artifact_id": "ckpt-1"}, "trained": False, "metrics": {"tokens": 700}})
    assert [(row["artifact"], row["tokens"]) for row in Ledger(lake).rows()] == [("ckpt-1", None)]


@pytest.mark.parametrize(("error", "state"), [(ProgramKilled("killed"), "failed"), (KeyboardInterrupt(), "stopped")])
def test_a_program_run_that_does_not_end_well_is_a_row_too(lake: Lake, error, state):
    with pytest.raises(type(error)), metered(lake, named(), PROFILE, "train"):
        raise error
    assert [(row["state"], row["error"]) for row in Ledger(lake).rows()] == [(state, type(error).__name__)]


KILLED = """
import os, sys, time
from ft_platform.costs import metering
from ft_platform.lake.store import Lake
from ft_platform_tests.costs.test_ledger import PROFILE, named
metering.BEAT_SECONDS = 0.1
with metering.metered(Lake(sys.argv[1]), named(), PROFILE, "train"):
    time.sleep(0.5)
    os.kill(os.getpid(), 9)
"""


def test_a_program_run_whose_launcher_was_killed_is_listed_as_lost_with_the_time_to_its_last_sign_of_life(
    lake: Lake, monkeypatch
):
    killed = subprocess.run([sys.executable, "-c", KILLED, lake.root], check=False, cwd=Path(__file__).parents[2])
    assert killed.returncode == -9
    [row] = Ledger(lake).rows()
    assert row["state"] == "running" and 0.3 <= row["seconds"] <= 5
    monkeypatch.setattr(ledger_module, "LOST_AFTER_SECONDS", 0.0)
    assert [row["state"] for row in Ledger(lake).rows()] == ["lost"]
    with metered(lake, named("other"), PROFILE, "train"):
        pass
    assert not list(Path(lake.path_of("shared", "_costs", "open")).glob("*.json")), (
        "the next program moves it into the table"
    )
    assert [(row["use_case"], row["state"]) for row in Ledger(lake).rows()] == [
        ("complaints", "lost"),
        ("other", "finished"),
    ]


APPENDS = """
import sys
from ft_platform.costs.metering import metered
from ft_platform.lake.store import Lake
from ft_platform_tests.costs.test_ledger import PROFILE, named
for _ in range(5):
    with metered(Lake(sys.argv[1]), named(), PROFILE, "train"):
        pass
"""


@pytest.mark.integration
def test_many_processes_append_at_once_and_no_row_is_lost(lake: Lake):
    started = [
        subprocess.Popen([sys.executable, "-c", APPENDS, lake.root], cwd=Path(__file__).parents[2]) for _ in range(4)
    ]
    assert [process.wait() for process in started] == [0] * 4
    rows = Ledger(lake).rows()
    assert len(rows) == len({row["run"] for row in rows}) == 20
    assert {row["state"] for row in rows} == {"finished"}


def test_conflicts_of_writers_are_tried_again_and_named_in_the_end(lake: Lake, monkeypatch):
    from deltalake.exceptions import CommitFailedError

    calls = []

    def conflict(*args, **kwargs):
        calls.append(args)
        raise CommitFailedError("another writer")

    monkeypatch.setattr(ledger_module, "write_deltalake", conflict)
    monkeypatch.setattr(ledger_module.time, "sleep", lambda seconds: None)
    with pytest.raises(TransientError, match="too many programs at once"), metered(lake, named(), PROFILE, "train"):
        pass
    assert len(calls) == ledger_module.ATTEMPTS
    assert [row["state"] for row in Ledger(lake).rows()] == ["running"], (
        "it is still there, and will be moved into the table later"
    )


def test_rows_of_a_month_are_those_that_started_in_it(lake: Lake):
    with metered(lake, named(), PROFILE, "train"):
        pass
    assert len(Ledger(lake).rows(month_of())) == 1
    assert Ledger(lake).rows("2001-01") == []


def test_the_ledger_needs_no_dagster_and_no_heavy_library():
    code = (
        "import sys, ft_platform.training.experiments.admission;"
        "print(sorted({'dagster', 'torch', 'mlflow', 'matplotlib'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert found.stdout.strip() == "[]"


def test_ft_costs_lists_use_cases_and_months_beside_their_budgets(
    environment: Environment, lake: Lake, tmp_path, monkeypatch, capsys
):
    from ft_platform.cli import main

    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    settings = tmp_path / "environment.yaml"
    settings.write_text(json.dumps({"budgets": {"per_use_case": 5.0, "use_cases": {"other": 7.0}}}))
    monkeypatch.setenv("FT_ENVIRONMENT", str(settings))
    assert main(["costs"]) == 0
    assert "No program has run yet." in capsys.readouterr().out
    for use_case in ("complaints", "complaints", "other"):
        with metered(lake, named(use_case), PROFILE, "train") as run:
            run.note({"artifact": {"artifact_id": "a"}, "metrics": {"tokens": 50}})
    with pytest.raises(ProgramKilled), metered(lake, named(), PROFILE, "train"):
        raise ProgramKilled("killed")
    assert main(["costs", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["use_cases"]
    assert [(row["use_case"], row["runs"], row["not_finished"], row["tokens"], row["budget"]) for row in found] == [
        ("complaints", 3, 1, 100, 5.0),
        ("other", 1, 0, 50, 7.0),
    ]
    assert main(["costs", "--runs", "--month", month_of()]) == 0
    shown = capsys.readouterr().out
    assert "failed (ProgramKilled)" in shown and "7.00" in shown and os.uname().nodename in shown
