"""`ft run U --plan`: what starts where, for how long and for how much; it starts nothing."""

import json
from typing import Any

import pytest

from ft_platform import cli
from ft_platform.costs import metering
from ft_platform.lake.store import Lake
from ft_platform.orchestration.plan import Plan, Planned
from ft_platform.orchestration.planned_programs import lines, planned_programs
from ft_platform.settings.environment import ComputeProfile, Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.costs.test_ledger import named

CLUSTER = ComputeProfile(
    backend="slurm", gpus=2, processes=2, price_per_hour=3.0, options={"partition": "gpu", "memory_gib": 64}
)
STAGES = [Planned("splits", "first time", None), Planned("adapter_checkpoint", "first time", 9000.0)]
STAGES += [Planned("base_evaluation", "", 50.0), Planned("evaluation_report", "after adapter_checkpoint", 9.0)]


def ran(lake: Lake, profile: ComputeProfile, program: str, seconds: float, name: str = "cluster") -> None:
    with metering.metered(lake, named(profile=name), profile, program) as run:
        run.ran(seconds)


def test_each_program_has_its_place_time_and_cost(lake: Lake, environment: Environment) -> None:
    installed = environment.model_copy(update={"profiles": {"cluster": CLUSTER, "local": ComputeProfile()}})
    use_case = named(profile="cluster")
    ran(lake, CLUSTER, "train", 7200.0)
    ran(lake, CLUSTER, "train", 3600.0)
    ran(lake, ComputeProfile(), "evaluate", 60.0, "local")  # elsewhere it may take another time
    found = planned_programs(lake, installed, use_case, Plan(STAGES))
    assert [(one.stage, one.seconds, one.money) for one in found] == [
        ("adapter_checkpoint", 3600.0, 3.0),
        ("evaluation_report", None, None),
    ]
    assert lines(found) == [
        "Programs, on compute profile cluster (slurm, partition gpu, 2 processes, 2 GPUs, 3.00 EUR an hour):",
        "  adapter_checkpoint: program train, about 60.0 minutes by the last run, 3.00 EUR",
        "  evaluation_report: program evaluate; time and cost are not known yet (ft estimate)",
        "  Together: 3.00 EUR, and 1 not known yet",
    ]
    [train, _] = planned_programs(lake, installed, use_case, Plan(STAGES, training_seconds=1800.0))
    assert (train.known_by, train.seconds, train.money) == ("estimate", 1800.0, 1.5)


def test_a_run_that_makes_nothing_starts_nothing(lake: Lake, environment: Environment) -> None:
    assert lines(planned_programs(lake, environment, named(), Plan([Planned("adapter_checkpoint", "", 1.0)]))) == [
        "No program is started"
    ]


def test_the_command_says_it_and_starts_nothing(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)

    def started(*_: Any, **__: Any) -> None:
        raise AssertionError("a run was started")

    monkeypatch.setattr("ft_platform.orchestration.execution.run_use_case", started)
    write_use_case(environment.defs, "complaints", minimal_attributes("records.csv"))
    assert cli.main(["run", "complaints", "--plan", "--until", "adapter_checkpoint"]) == 0
    assert "adapter_checkpoint: program train; time and cost" in capsys.readouterr().out
    assert cli.main(["run", "complaints", "--plan", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["programs"][0]["backend"] == "local" and found["stages"][0]["made"] is True
