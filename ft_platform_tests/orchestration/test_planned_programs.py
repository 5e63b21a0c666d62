"""`ft run U --plan`: what starts where, for how long and for how much; it starts nothing."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ft_platform import cli
from ft_platform.compute import backends, reach
from ft_platform.compute.reach import why_not
from ft_platform.costs import metering
from ft_platform.lake.store import Lake
from ft_platform.orchestration.plan import Plan, Planned
from ft_platform.orchestration.planned_programs import lines, planned_programs, warnings
from ft_platform.use_case.settings.budgets import Budgets
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.experiments import Search
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.costs.test_ledger import named

CLUSTER = ComputeProfile(
    backend="slurm",
    gpus=2,
    processes=2,
    price_per_hour=3.0,
    price_as_of="2026-11-01",
    options={"partition": "gpu", "memory_gib": 64},
)
PAID = ComputeProfile(price_per_hour=2.0, price_as_of="2026-11-01")
BACKENDS = Path(backends.__path__[0])
STAGES = [Planned("splits", "first time", None), Planned("adapter_checkpoint", "first time", 9000.0, ("train",))]
STAGES += [Planned("base_evaluation", "", 50.0)]
STAGES += [Planned("evaluation_report", "after adapter_checkpoint", 9.0, ("evaluate",))]


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
    today = datetime.now(UTC).date().isoformat()
    assert lines(found) == [
        "Programs, on compute profile cluster (slurm, partition gpu, memory_gib 64, 2 processes, 2 GPUs, 3.00 EUR"
        " an hour as of 2026-11-01):",
        f"  adapter_checkpoint: program train, about 60.0 minutes, 3.00 EUR; as the last run on this profile, {today};"
        " the last 2 took 60.0 to 120.0",
        "  evaluation_report: program evaluate; time and cost are not known: none has ended on this profile yet",
        "  Together: 3.00 EUR, and 1 not known yet",
    ]


def test_what_was_measured_here_is_no_time_of_another_machine(lake: Lake, environment: Environment) -> None:
    installed = environment.model_copy(update={"profiles": {"cluster": CLUSTER, "local": PAID}})
    plan = Plan(STAGES, training_seconds=1800.0)
    [train, _] = planned_programs(lake, installed, named(profile="local"), plan)
    assert (train.seconds, train.money) == (1800.0, 1.0) and "measured some steps on this machine" in train.known_by
    [train, _] = planned_programs(lake, installed, named(profile="cluster"), plan)
    assert (train.seconds, train.money) == (None, None)
    assert "ft estimate says 30.0 minutes for one process on this machine" in train.line()


def test_a_profile_without_a_price_costs_nobody_knows_what(lake: Lake, environment: Environment) -> None:
    ran(lake, ComputeProfile(), "train", 60.0, "local")
    found = planned_programs(lake, environment, named(profile="local"), Plan(STAGES[:2]))
    assert found[0].money is None and "cost not known" in found[0].line() and "no price" in found[0].where
    assert "budgets count its programs as free" in " ".join(warnings(lake, environment, named(profile="local"), found))


def test_whoever_pays_hears_of_budgets_and_of_the_most_that_it_can_cost(lake: Lake, environment: Environment) -> None:
    budgets = Budgets(per_month=5.0)
    installed = environment.model_copy(update={"profiles": {"local": PAID}, "budgets": budgets})
    use_case = named(profile="local")
    ran(lake, PAID, "train", 2.5 * 3600, "local")
    found = planned_programs(lake, installed, use_case, Plan(STAGES))
    said = warnings(lake, installed, use_case, found)
    assert said == [
        "Most: 96.00 EUR, if each runs into its limit of 24 hours (compute.timeout_minutes)",
        "Budget budgets.per_month of the environment: 5.00 of 5.00 EUR are spent this month: programs will be refused",
    ]


def test_a_search_on_a_cluster_is_an_array_whose_tasks_are_all_paid_for(lake: Lake, environment: Environment) -> None:
    installed = environment.model_copy(update={"profiles": {"cluster": CLUSTER}})
    plain = named(profile="cluster")
    settings = plain.settings.model_copy(update={"search": Search(parallel=4)})
    use_case = plain.model_copy(update={"settings": settings})
    found = planned_programs(
        lake, installed, use_case, Plan([Planned("hyperparameter_search", "first time", None, ("search",))])
    )
    assert lines(found)[1].startswith("  hyperparameter_search: program search as a job array of 4 tasks; time")
    assert "Most: 288.00 EUR" in warnings(lake, installed, use_case, found)[0], "4 tasks, 24 hours at 3.00 EUR"


OPTIONS: dict[str, dict[str, Any]] = {
    "local": {},
    "torchrun": {},
    "slurm": {"partition": "gpu"},
    "kubernetes": {"namespace": "ft", "image": "registry.example.org/worker:0.3.0", "memory_gib": 28},
    "ray": {"address": "http://127.0.0.1:9"},
    "aws_batch": {"queue": "ft-gpu", "definition": "ft-worker", "region": "eu-central-1"},
    "aws_sagemaker": {
        "image": "worker",
        "role": "arn:aws:iam::111122223333:role/ft-workers",
        "instance": "ml.g5.xlarge",
        "output": "s3://example/jobs",
        "region": "eu-central-1",
    },
    "gcp_vertex": {"project": "p", "region": "europe-west4", "image": "i", "machine_type": "g2-standard-8"}
    | {"accelerator": "NVIDIA_L4"},
    "azure_ml": {"subscription": "5f1c0a52-0000-4000-8000-000000000000", "resource_group": "r", "workspace": "w"}
    | {"environment": "ft:1", "key_vault": "https://v.vault.azure.net", "instance_type": "Standard_NC4as_T4_v3"},
    "databricks": {
        "wheel": "/Volumes/a/b/c/ft.whl",
        "secret_scope": "ft",
        "runtime": "17.3.x",
        "node_type": "g5.2xlarge",
    },
}
NOTHING_IS_SET = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "DATABRICKS_CONFIG_FILE": "/nonexistent",
    "HF_ENDPOINT": "http://127.0.0.1:9",
    "KUBECONFIG": "/nonexistent",
    "NO_GCE_CHECK": "true",
    "SLURM_CONF": "/nonexistent",
}
SHOWN = {"aws_sagemaker": "ml.g5.xlarge", "azure_ml": "Standard_NC4as_T4_v3", "slurm": "gpu"}


@pytest.mark.parametrize("kind", sorted(path.stem for path in BACKENDS.glob("[a-z]*.py")))
def test_on_every_back_end_a_plan_explains_its_numbers_and_says_whether_it_is_reached(
    lake: Lake, environment: Environment, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    for name, value in NOTHING_IS_SET.items():
        monkeypatch.setenv(name, value)
    for name in [
        one for one in os.environ if one.startswith(("DATABRICKS_H", "DATABRICKS_T", "AWS_A", "AWS_S", "AWS_P"))
    ]:
        monkeypatch.delenv(name) if name not in NOTHING_IS_SET else None
    monkeypatch.setattr(reach, "SECONDS", 10.0)
    profile = (
        ComputeProfile(
            backend=kind,
            options=OPTIONS[kind],
            gpus=1,
            processes=2 if kind == "torchrun" else 1,
            price_per_hour=2.0,
            price_as_of="2026-11-01",
        )
        if kind != "local"
        else PAID
    )
    installed = environment.model_copy(update={"profiles": {"p": profile}})
    use_case = named(profile="p")
    ran(lake, profile, "train", 1800.0, "p")
    found = planned_programs(lake, installed, use_case, Plan(STAGES))
    first, train, evaluate, together = lines(found)
    assert "2.00 EUR an hour as of 2026-11-01" in first and f"({kind}" in first and SHOWN.get(kind, "") in first
    assert "about 30.0 minutes, 1.00 EUR; as the last run on this profile, 20" in train
    assert "not known: none has ended on this profile yet" in evaluate and "1 not known yet" in together
    said = warnings(lake, installed, use_case, found)
    assert said[0].startswith("Most: 96.00 EUR")
    reached = [one for one in said if one.startswith("Not reached")]
    assert len(reached) == (0 if kind in ("local", "torchrun") else 1), said
    assert all(len(one) < 400 and "\n" not in one for one in reached)


def test_a_workspace_that_answers_is_reached_and_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("databricks.sdk", reason="the SDK of Databricks is not installed")
    from ft_platform_tests.compute.databricks_workspace import Workspace

    workspace = Workspace()
    for name, value in workspace.variables().items():
        monkeypatch.setenv(name, value)
    profile = ComputeProfile(backend="databricks", options={**OPTIONS["databricks"], "secret_scope": "ft-launches"})
    try:
        assert why_not(profile) == ""
        assert {method for method, _, _ in workspace.requests} == {"GET"} and not workspace.jobs
        workspace.expired = True
        assert "CredentialsRefused" in why_not(profile)
    finally:
        workspace.stop()


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
