"""`ft estimate` and `ft explain`: on a tiny model, through the program in its own process."""

import json
import os
import subprocess
import sys
from dataclasses import asdict

import pytest
import yaml

from ft_platform.cli import main
from ft_platform.commands.estimate import print_estimate
from ft_platform.commands.explain import settings_of
from ft_platform.lake.opening import open_lake
from ft_platform.training import estimates
from ft_platform.training.expected import Expected
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits, use_case_for

pytestmark = pytest.mark.integration

FIRST = ["memory_gib", "memory_band", "seconds", "seconds_band", "cost"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An installation with splits, a tiny model and two compute profiles. The same for all tests: a calibration takes
    seconds."""
    folder = tmp_path_factory.mktemp("installation")
    environment = Environment(home=folder / "home", defs=folder / "defs", tracking_uri="none")
    use_case = use_case_for(save_tiny_model(folder / "model"), rank=4, alpha=8, epochs=2.0, batch_rows=4)
    attributes = {**use_case.settings.model_dump(mode="json", exclude_unset=True), "compute": {"threads": 1}}
    write_use_case(environment.defs, use_case.name, attributes)
    usable_splits(open_lake(environment), use_case)
    large = {"price_per_hour": 90.0, "gpus": 2, "watts": 400.0}
    settings = {"profiles": {"local": {}, "large": large, "small": {"memory_limit_gib": 0.01}}}
    (folder / "environment.yaml").write_text(yaml.safe_dump(settings))
    return environment, folder / "environment.yaml"


@pytest.fixture(autouse=True)
def variables(installed, monkeypatch) -> None:
    environment, settings = installed
    for name, value in {**environment.to_variables(), "FT_ENVIRONMENT": str(settings)}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def estimated(installed) -> dict:
    """What `ft estimate --compute large --json` printed. Once for all tests: a calibration loads torch in a process of
    its own."""
    environment, settings = installed
    variables = {**os.environ, **environment.to_variables(), "FT_ENVIRONMENT": str(settings)}
    command = [
        sys.executable,
        "-m",
        "ft_platform.cli",
        "estimate",
        "complaints",
        "--compute",
        "large",
        "--seconds",
        "0.1",
        "--json",
    ]
    return json.loads(subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout)


def test_the_estimate_has_the_promised_keys_and_the_price_of_the_profile(estimated):
    assert list(estimated)[:5] == FIRST
    assert estimated["cost"] == pytest.approx(estimated["seconds"] * 90 / 3600, abs=1e-4)
    assert estimated["currency"] == "EUR"
    assert estimated["gpu_hours"] == pytest.approx(estimated["seconds"] / 1800, abs=1e-5)
    assert estimated["kwh"] == pytest.approx(estimated["seconds"] / 9000, abs=1e-5)
    expected = {"weights", "adapters", "gradients", "optimizer", "best", "activations", "logits", "program"}
    assert set(estimated["parts_gib"]) == expected
    assert (estimated["examples"], estimated["validation_examples"], estimated["steps"]) == (36, 12, 18)
    assert 0.05 < estimated["memory_gib"] < 4


def test_explain_says_what_will_happen_and_uses_the_estimate_that_is_there(estimated, capsys, monkeypatch):
    monkeypatch.setattr(estimates.subprocess, "run", None)  # nothing may be measured again
    assert main(["explain", "complaints", "training", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {name: found["plan"][name] for name in FIRST[:4]} == {name: estimated[name] for name in FIRST[:4]}
    assert found["plan"]["cost"] is None, "the profile of the use case has no price"
    rank = next(row for row in found["settings"] if row["setting"] == "rank")
    assert (rank["value"], rank["default"], rank["changed"], rank["from_yaml"]) == (4, 16, True, True)
    assert found["recipe"]["rank"] == {"value": 4, "why": "set, or the default", "chosen": False}
    assert found["expected"] is None, "of a manual recipe nothing is known"
    assert main(["explain", "complaints", "training"]) == 0
    shown = capsys.readouterr().out
    assert "36 to train on, 12 to validate with" in shown and "18 optimizer steps" in shown
    assert [line for line in shown.splitlines() if line.startswith("* rank") and "(default 16)" in line]


def test_what_the_recipe_chose_and_may_reach_is_told(estimated, capsys):
    reach = Expected(0.31, 0.45, 0.38, records=540, labels=9, smallest=21, tasks=10)
    chosen = {"epochs": {"value": 4.0, "why": "272 steps", "chosen": True}, "rank": {"value": 4, "chosen": False}}
    print_estimate(estimated | {"profile": "local", "expected": asdict(reach), "recipe": chosen})
    shown = capsys.readouterr().out
    assert "recipe     epochs 4.0: 272 steps\n" in shown and "rank" not in shown
    assert "steps      18 steps are few for 36 records: `training.recipe: auto` makes 40\n" in shown
    assert "expected   macro-F1 0.31 to 0.45" in shown and "reaches 0.38 on the validation split" in shown


def test_further_seeds_are_told_beside_the_training_they_repeat(estimated, capsys, monkeypatch):
    monkeypatch.setattr(estimates.subprocess, "run", None)  # the same training: nothing is measured again
    asked = ["explain", "complaints", "training", "--set", "seed_variation.seeds=3"]
    assert main([*asked, "--json"]) == 0
    further = json.loads(capsys.readouterr().out)["plan"]["further_seeds"]
    assert further["trainings"] == 2 and further["seconds"] == 2 * estimated["seconds"]
    assert main(asked) == 0
    assert "seeds      2 more trainings for seed_variation: " in capsys.readouterr().out


def test_an_estimate_beyond_the_memory_limit_says_so_and_exits_with_1(estimated, capsys, monkeypatch):
    monkeypatch.setattr(
        estimates,
        "measure",
        lambda environment, use_case, splits, profile, seconds: estimates.Estimate(estimated, profile),
    )
    assert main(["estimate", "complaints", "--compute", "small"]) == 1
    shown = capsys.readouterr()
    assert "memory     " in shown.out and "memory_limit_gib of compute profile 'small' is 0.01 GiB" in shown.err


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        (ComputeProfile(), None),
        (ComputeProfile(backend="torchrun", processes=2), "2 processes that each hold the whole model"),
        (ComputeProfile(backend="torchrun", processes=4, sharded=True), "4 processes that divide the weights"),
    ],
    ids=["one", "several", "sharded"],
)
def test_an_estimate_for_several_processes_says_that_one_was_measured(estimated, capsys, monkeypatch, profile, told):
    monkeypatch.setattr(
        estimates,
        "measure",
        lambda environment, use_case, splits, of_use_case, seconds: estimates.Estimate(estimated, profile),
    )
    assert main(["estimate", "complaints", "--json"]) == 0
    note = json.loads(capsys.readouterr().out).get("note")
    assert main(["estimate", "complaints"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note")]
    if told is None:
        assert note is None and not lines
    else:
        assert note.startswith("measured in one process on this machine") and told in note
        assert lines == [f"note       {note}"]


def test_another_setting_is_another_training_and_its_estimate_is_not_used(installed):
    environment, _ = installed
    lake, use_case = open_lake(environment), use_case_for(environment.home.parent / "model", rank=8)
    splits = lake.latest("complaints", "splits")
    assert splits and estimates.kept(environment, use_case, splits, ComputeProfile()) is None


def test_without_splits_explain_gives_the_settings_and_says_what_is_missing(installed, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FT_LAKE_ROOT", str(tmp_path / "empty"))
    assert main(["explain", "complaints", "training"]) == 0
    shown = capsys.readouterr().out
    assert "has no splits yet" in shown and "Run: ft run complaints --select" in shown and "* rank" in shown


def test_without_splits_estimate_ends_with_the_next_command(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("FT_LAKE_ROOT", str(tmp_path / "empty"))
    assert main(["estimate", "complaints"]) == 1
    assert "Run: ft run complaints --select" in capsys.readouterr().err


@pytest.mark.slow
def test_a_failure_of_the_calibration_keeps_its_type_and_next_step(installed, capsys):
    assert main(["estimate", "complaints", "--set", "training.target_modules=[nowhere]", "--seconds", "0.1"]) == 1
    assert "training.target_modules" in capsys.readouterr().err


def test_every_training_setting_is_explained_with_its_default():
    rows = settings_of(Training())
    assert [row["setting"] for row in rows] == list(Training.model_fields)
    assert not any(row["changed"] for row in rows) and all(row["meaning"] for row in rows)
