"""Budgets stop launches with their numbers, the setting and the next step."""

import logging
from pathlib import Path

import pytest

from ft_platform.compute.backends import local
from ft_platform.costs import memory_needs
from ft_platform.costs.budgets import require_budget, used_up
from ft_platform.costs.memory_needs import machine_gib, require_memory
from ft_platform.costs.metering import metered
from ft_platform.errors import BudgetExceeded, ConfigError, DoesNotFit
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.training import estimates
from ft_platform.training.estimates import Estimate
from ft_platform.training.experiments.admission import admit_program
from ft_platform.training.experiments.inputs import experiment_inputs, working_folder
from ft_platform.training.inputs import checkpoint_inputs
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.budgets import Budgets
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.experiments import Search
from ft_platform_tests.costs.test_ledger import named

PROFILE = ComputeProfile(price_per_hour=10.0)
LOG = logging.getLogger("test")
SPLITS = TableVersion("complaints", "splits", "shared", 0, "0" * 64, 10, "nowhere")


def spend(lake: Lake, money: float, use_case: str = "complaints") -> None:
    """A program run that cost so much."""
    with metered(lake, named(use_case), PROFILE, "train") as run:
        begun = run.row

        def row():
            return {**begun(), "money": money}

        run.row = row  # type: ignore[method-assign]


def with_budgets(environment: Environment, **budgets) -> Environment:
    return environment.model_copy(update={"budgets": Budgets(**budgets), "profiles": {"local": PROFILE}})


def searching(**values) -> NamedUseCase:
    use_case = named()
    return use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"search": Search(**values)})})


@pytest.mark.parametrize(
    ("budgets", "compute", "setting"),
    [
        ({"per_month": 4.0}, {}, "budgets.per_month of the environment"),
        ({"per_use_case": 3.0}, {}, "budgets.per_use_case of the environment"),
        (
            {"per_use_case": 100.0, "use_cases": {"complaints": 3.0}},
            {},
            "budgets.use_cases.complaints of the environment",
        ),
        ({"per_use_case": 100.0}, {"budget_per_month": 3.0}, "compute.budget_per_month"),
    ],
)
def test_a_spent_budget_stops_every_program_and_names_its_setting(environment, lake, budgets, compute, setting):
    environment, use_case = with_budgets(environment, **budgets), named(**compute)
    spend(lake, 1.0, "other")
    spend(lake, 2.5)
    require_budget(lake, environment, use_case, PROFILE, "train")
    assert used_up(lake, environment, use_case, PROFILE) is None
    spend(lake, 0.5)
    assert setting in (used_up(lake, environment, use_case, PROFILE) or "")
    with pytest.raises(BudgetExceeded) as refused:
        require_budget(lake, environment, use_case, PROFILE, "evaluate")
    assert (
        setting in str(refused.value)
        and "program evaluate of complaints was not started" in str(refused.value)
        and "ft costs" in str(refused.value)
    )


def test_a_use_case_is_not_stopped_by_what_another_spent(environment, lake):
    spend(lake, 50.0, "other")
    environment = with_budgets(environment, per_use_case=3.0)
    require_budget(lake, environment, named(), PROFILE, "train")
    assert used_up(lake, environment, named(), PROFILE) is None


def test_a_training_that_would_cost_more_than_is_left_is_refused_with_both_numbers(environment, lake):
    environment = with_budgets(environment, per_use_case=3.0)
    spend(lake, 1.0)
    require_budget(lake, environment, named(), PROFILE, "train", expected=2.0)
    with pytest.raises(BudgetExceeded, match=r"it would cost 2\.10 EUR and 1\.00 of 3\.00 EUR"):
        require_budget(lake, environment, named(), PROFILE, "train", expected=2.1)


def test_a_free_profile_knows_no_budget(environment, lake):
    environment = with_budgets(environment, per_month=0.0)
    require_budget(lake, environment, named(), ComputeProfile(), "train")
    assert used_up(lake, environment, named(), ComputeProfile()) is None


@pytest.fixture
def estimated(monkeypatch):
    """Makes the calibration give these figures, and counts how often it is asked."""
    asked = []

    def of(**figures):
        def measure(environment, use_case, splits, profile, seconds=20.0):
            asked.append(use_case.name)
            return Estimate(
                {"memory_gib": 1.0, "seconds": 3600.0, "seconds_band": [1.0, 2.0], "device": "cpu", **figures}, profile
            )

        monkeypatch.setattr(estimates, "measure", measure)
        return asked

    return of


def test_with_a_budget_a_training_is_estimated_before_its_launch(environment, lake, estimated):
    asked = estimated(seconds=3600.0)  # an hour at 10 EUR
    admit_program(lake, with_budgets(environment, per_use_case=10.0), named(), "train", SPLITS, LOG)
    with pytest.raises(BudgetExceeded, match=r"would cost 10\.00 EUR"):
        admit_program(lake, with_budgets(environment, per_use_case=9.0), named(), "train", SPLITS, LOG)
    assert asked == ["complaints"] * 2


def test_an_experiment_costs_as_much_as_all_the_trainings_it_still_makes(environment, lake, estimated):
    estimated(seconds=3600.0)  # an hour at 10 EUR
    use_case = searching(trials=3)
    for program, cost in (("search", 30.0), ("learning_curve", 18.5)):  # shares 0.05, 0.1, 0.2, 0.5, 1
        admit_program(lake, with_budgets(environment, per_use_case=cost), use_case, program, SPLITS, LOG)
        with pytest.raises(BudgetExceeded, match=rf"program {program} .* would cost {cost:.2f} EUR"):
            admit_program(lake, with_budgets(environment, per_use_case=cost - 0.1), use_case, program, SPLITS, LOG)
    results = (
        working_folder(
            environment, "learning_curve", use_case, experiment_inputs(use_case, "learning_curve", SPLITS)[0]
        )
        / "trainings.jsonl"
    )
    results.parent.mkdir(parents=True)
    results.write_text('{"share": 0.5}\n{"share": 0.2}\n')
    admit_program(lake, with_budgets(environment, per_use_case=11.5), use_case, "learning_curve", SPLITS, LOG)


def test_a_canary_audit_costs_one_training_and_its_copies(environment, lake, estimated):
    estimated(seconds=3600.0, examples=888)  # an hour at 10 EUR; 1 + 10 + 100 copies of 4 secrets are half as many
    admit_program(lake, with_budgets(environment, per_use_case=15.0), named(), "canaries", SPLITS, LOG)
    with pytest.raises(BudgetExceeded, match=r"program canaries .* would cost 15\.00 EUR"):
        admit_program(lake, with_budgets(environment, per_use_case=14.9), named(), "canaries", SPLITS, LOG)


def test_trials_at_once_need_memory_at_once(environment, lake, estimated):
    estimated(memory_gib=3.0, seconds=1.0)
    small = PROFILE.model_copy(update={"memory_limit_gib": 8.0})
    environment = with_budgets(environment, per_use_case=100.0).model_copy(update={"profiles": {"local": small}})
    admit_program(lake, environment, searching(parallel=2), "search", SPLITS, LOG)
    with pytest.raises(DoesNotFit, match=r"need 9\.00 GiB"):
        admit_program(lake, environment, searching(parallel=3), "search", SPLITS, LOG)


def test_a_checkpoint_that_is_there_costs_nothing_and_a_damaged_one_is_paid_for_again(environment, lake, estimated):
    estimated(seconds=3600.0)
    environment, use_case = with_budgets(environment, per_use_case=1.0), named()
    with lake.scratch("complaints", "adapter_checkpoint") as folder:
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(b"weights")
        made, inputs = checkpoint_inputs(use_case, SPLITS)
        published = lake.publish(
            "complaints", "adapter_checkpoint", made, folder, parents=[], settings_hash="s", input_hash=inputs
        )
    admit_program(lake, environment, use_case, "train", SPLITS, LOG)
    (Path(published.uri) / "adapter_model.safetensors").write_bytes(b"other bytes")
    with pytest.raises(BudgetExceeded, match=r"would cost 10\.00 EUR"):
        admit_program(lake, environment, use_case, "train", SPLITS, LOG)


def test_without_a_budget_and_for_other_programs_nothing_is_measured(environment, lake, estimated):
    asked = estimated()
    admit_program(lake, environment, named(), "train", SPLITS, LOG)
    admit_program(lake, with_budgets(environment, per_month=1.0), named(), "evaluate", SPLITS, LOG)
    assert asked == []


def test_an_estimate_that_does_not_fit_is_refused_with_both_numbers_and_the_setting_to_lower(
    environment, lake, estimated
):
    estimated(memory_gib=9.0)
    small = PROFILE.model_copy(update={"memory_limit_gib": 8.0})
    environment = with_budgets(environment, per_use_case=100.0).model_copy(update={"profiles": {"local": small}})
    with pytest.raises(
        DoesNotFit,
        match=(
            r"need 9\.00 GiB of memory, memory_limit_gib of compute profile 'local' is 8\.00"
            r" GiB.*micro_batch_tokens=1024"
        ),
    ):
        admit_program(lake, environment, named(), "train", SPLITS, LOG)


def test_without_a_limit_the_machine_is_the_limit():
    machine = machine_gib()
    assert machine and machine > 0.5
    require_memory(machine / 2, ComputeProfile(), named())
    with pytest.raises(DoesNotFit, match="what this machine has"):
        require_memory(machine * 2, ComputeProfile(), named())
    require_memory(machine * 2, ComputeProfile(), named(), device="cuda")


def test_where_a_scheduler_decides_this_machine_is_no_limit_but_the_profile_is(monkeypatch):
    monkeypatch.setattr(local, "MEMORY", "there")
    machine = machine_gib()
    assert machine
    require_memory(machine * 2, ComputeProfile(), named())
    with pytest.raises(DoesNotFit, match="memory_limit_gib of compute profile 'local'"):
        require_memory(machine * 2, ComputeProfile(memory_limit_gib=machine), named())


def test_a_container_has_the_memory_of_its_control_group(tmp_path, monkeypatch):
    real = open

    def limited(path, *rest, **named):
        if path == "/sys/fs/cgroup/memory.max":
            path = tmp_path / "memory.max"
        return real(path, *rest, **named)

    (tmp_path / "memory.max").write_text(f"{2**29}\n")
    monkeypatch.setattr(memory_needs, "open", limited, raising=False)
    assert machine_gib() == 0.5


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("profiles: {a: {currency: EUR}, b: {currency: USD}}", "one currency"),
        ("budgets: {use_cases: {a: -1}}", "limits must be 0 or more"),
        ("budgets: {per_month: -1}", "greater than or equal to 0"),
        ("profiles: {a: {price_per_hour: -1}}", "greater than or equal to 0"),
        ("profiles: {a: {memory_limit_gib: 0}}", "greater than 0"),
        ("profiles: {a: {currency: euro}}", "should match pattern"),
    ],
)
def test_wrong_prices_and_budgets_are_named(tmp_path: Path, monkeypatch, settings, problem):
    (tmp_path / "environment.yaml").write_text(settings)
    monkeypatch.setenv("FT_ENVIRONMENT", str(tmp_path / "environment.yaml"))
    with pytest.raises(ConfigError, match=problem):
        load_environment()
