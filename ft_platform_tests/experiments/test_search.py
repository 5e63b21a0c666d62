"""The search: trials are real trainings, a kill changes nothing, bad trials do not end it, and nothing follows from it
by itself."""

import json
import logging
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import (
    BudgetExceeded,
    ConfigError,
    MissingExtra,
    NanLoss,
    OutOfMemory,
    TrainerRunning,
    TrainingFailed,
)
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.reporting.publishing.search import publish_search
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.stages import STAGES
from ft_platform.training.experiments import search, study
from ft_platform.training.experiments.inputs import experiment_inputs, study_id, working_folder
from ft_platform.training.experiments.trainings_left import trainings_left
from ft_platform.training.inputs import checkpoint_inputs
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.experiments import Search
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits, use_case_for

pytestmark = pytest.mark.integration

LOG = logging.getLogger("test")
SPACE = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "rank": {"choices": [2, 4]},
    "epochs": {"low": 1, "high": 2},
}
SEARCH = {"space": SPACE, "trials": 4, "startup_trials": 2}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def searching(model: Path, **values: Any) -> NamedUseCase:
    named = use_case_for(model, learning_rate=1e-3, batch_rows=8, rank=4, epochs=1)
    settings = {**named.settings.model_dump(mode="json"), "search": {**SEARCH, **values}}
    return named.model_copy(update={"settings": UseCase.model_validate(settings)})


def found_in(lake: Lake, report: ArtifactVersion) -> dict[str, Any]:
    return json.loads(lake.read_file(report, "search.json"))


def folder_of(environment: Environment, use_case: NamedUseCase, splits: TableVersion) -> Path:
    return working_folder(environment, "hyperparameter_search", use_case, study_id(use_case, splits))


def what_counts(trials: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Losses of two processes are equal up to float32: MKL adds up in an order that depends on where a process has its
    memory (Intel, oneMKL, Obtaining Numerically Reproducible Results)."""
    return [
        (trial["state"], trial["params"], pytest.approx(trial["validation_loss"], rel=2.0**-20)) for trial in trials
    ]


def test_a_search_whose_budget_is_used_up_stops_before_the_next_trial_and_goes_on_later(
    lake, environment, model, monkeypatch
):
    use_case = searching(model)
    splits = usable_splits(lake, use_case)
    said = iter([None, None, "5.00 of 5.00 EUR of this month's budget are spent"])
    with monkeypatch.context() as patched:
        patched.setattr("ft_platform.costs.budgets.used_up", lambda *_: next(said))
        with pytest.raises(BudgetExceeded, match=r"next training of complaints was not started: 5\.00 of 5\.00 EUR"):
            publish_search(lake, environment, use_case, splits, LOG)
    assert trainings_left(lake, environment, use_case, "search", splits, {}) == 2.0
    assert len(found_in(lake, publish_search(lake, environment, use_case, splits, LOG))["trials"]) == 4
    assert trainings_left(lake, environment, use_case, "search", splits, {}) == 0.0


def test_trials_are_trainings_and_the_best_is_what_a_checkpoint_with_its_settings_gets(
    lake: Lake, environment: Environment, model: Path
) -> None:
    use_case = searching(model)
    splits = usable_splits(lake, use_case)
    report = publish_search(lake, environment, use_case, splits, LOG)
    found = found_in(lake, report)
    assert (
        len(found["trials"]) == 4
        and found["trials"][0]["params"]
        == {"epochs": 1.0, "learning_rate": 1e-3, "rank": 4}
        == found["present"]["params"]
    )
    for trial in found["trials"]:
        assert (
            1e-4 <= trial["params"]["learning_rate"] <= 1e-2
            and trial["params"]["rank"] in (2, 4)
            and 1 <= trial["params"]["epochs"] <= 2
        )
    complete = [trial["validation_loss"] for trial in found["trials"] if trial["state"] == "complete"]
    assert (
        found["best"]["validation_loss"] == min(complete)
        and len({t["params"]["learning_rate"] for t in found["trials"]}) == 4
    )
    best = use_case.settings.training.model_copy(update=found["best"]["params"])
    chosen = use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"training": best})})
    assert (
        checkpoint_for(lake, environment, chosen, splits, LOG).metrics["validation_loss"]
        == found["best"]["validation_loss"]
    )
    page = lake.read_file(report, "report.html").decode()
    assert found["snippet"].splitlines()[1] in page and "handled badly" not in page
    assert lake.read_file(report, "best_settings.yaml").decode() == found["snippet"] and found["snippet"].startswith(
        "training:\n"
    )
    assert publish_search(lake, environment, use_case, splits, LOG) == report


def test_nothing_follows_from_a_search_by_itself(lake: Lake, environment: Environment, model: Path) -> None:
    """No other stage reads its section or its report; its own input is `splits` only."""
    use_case = searching(model, trials=1)
    other = searching(model, trials=3, seed=3)
    assert {name for name, stage in STAGES.items() if stage.settings_hash(use_case) != stage.settings_hash(other)} == {
        "hyperparameter_search"
    }
    splits = usable_splits(lake, use_case)
    before = checkpoint_inputs(use_case, splits)
    publish_search(lake, environment, use_case, splits, LOG)
    assert checkpoint_inputs(use_case, splits) == before and lake.artifacts(use_case.name, "adapter_checkpoint") == []
    assert [
        name for name, stage in STAGES.items() if {"hyperparameter_search", "learning_curve"} & set(stage.parents)
    ] == []


KILLED = """
import logging, os, pickle, signal, sys
from ft_platform.lake.opening import open_lake
from ft_platform.training.experiments import search
from ft_platform.reporting.publishing.search import publish_search
from ft_platform.training.experiments.training_once import train_once
environment, use_case, splits = pickle.load(sys.stdin.buffer)
from ft_platform.lake.store import Lake
calls = []
def killed(*arguments, **options):
    *others, on_step = arguments
    calls.append(1)
    def step(number, values):
        if len(calls) == 3 and number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        on_step(number, values)
    return train_once(*others, step, **options)
search.train_once = killed
publish_search(open_lake(environment), environment, use_case, splits, logging.getLogger())
"""


def test_a_killed_search_goes_on_and_comes_to_the_same_trials(
    lake: Lake, environment: Environment, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    use_case = searching(model)
    splits = usable_splits(lake, use_case)
    process = subprocess.run(
        [sys.executable, "-c", KILLED], input=pickle.dumps((environment, use_case, splits)), check=False, timeout=240
    )
    assert process.returncode == -signal.SIGKILL
    journal = folder_of(environment, use_case, splits) / "journal.log"
    with open(journal, "ab") as file:
        file.write(b'{"op_code":4,"worker_id":"a kill in the middle of a wri')
    with caplog.at_level(logging.INFO):
        resumed = found_in(lake, publish_search(lake, environment, use_case, splits, LOG))
    assert "1 trials were killed and are repeated" in caplog.text
    elsewhere = environment.model_copy(update={"home": environment.home / "other"})
    other = open_lake(elsewhere)
    whole = found_in(other, publish_search(other, elsewhere, use_case, usable_splits(other, use_case), LOG))
    found = [(trial["state"], trial["params"], trial["validation_loss"]) for trial in resumed["trials"]]
    assert found == what_counts(whole["trials"])


def test_more_trials_go_on_from_those_that_are_there(
    lake: Lake, environment: Environment, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = stand_in(monkeypatch, lambda params: [params["learning_rate"]])
    splits = usable_splits(lake, searching(model))
    first = publish_search(lake, environment, searching(model, trials=3), splits, LOG)
    assert len(made) == 3
    second = publish_search(lake, environment, searching(model, trials=5), splits, LOG)
    assert len(made) == 5 and first != second
    found = [(trial["state"], trial["params"], trial["validation_loss"]) for trial in found_in(lake, second)["trials"]]
    assert found[:3] == what_counts(found_in(lake, first)["trials"])


def stand_in(monkeypatch: pytest.MonkeyPatch, losses: Any) -> list[dict[str, Any]]:
    """Instead of a training: validation losses that follow from the settings. An exception among them is raised."""
    made: list[dict[str, Any]] = []

    class Run:
        step, seconds, attempts = 7, 1.0, [{"from_step": 0}]

        def __init__(self, best_loss: float) -> None:
            self.best_loss = best_loss

    def trained(lake: Any, environment: Any, use_case: NamedUseCase, splits: Any, on_step: Any, **_: Any) -> Any:
        params = {name: getattr(use_case.settings.training, name) for name in SPACE}
        made.append(params)
        course = losses(params)
        on_step(0, {"validation_loss": 99.0})
        for step, loss in enumerate(course, start=1):
            if isinstance(loss, Exception):
                raise loss
            on_step(step, {"loss": loss, "validation_loss": loss})
        return Run(min(course)), None

    monkeypatch.setattr(search, "train_once", trained)
    return made


def test_a_trial_above_the_median_is_stopped_early(
    lake: Lake, environment: Environment, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated: list[int] = []

    def losses(params: dict[str, Any]) -> Any:
        number = len(validated)
        validated.append(0)
        for loss in [1.0, 0.9, 0.8] if number < 3 else [5.0, 4.0, 3.0]:
            validated[number] += 1
            yield loss

    made: list[Any] = []

    def trained(lake: Any, environment: Any, use_case: NamedUseCase, splits: Any, on_step: Any, **_: Any) -> Any:
        made.append(use_case)
        best = []
        for step, loss in enumerate(losses({}), start=1):
            on_step(step, {"validation_loss": loss})
            best.append(loss)
        return type("Run", (), {"step": 3, "seconds": 1.0, "attempts": [{}], "best_loss": min(best)})(), None

    monkeypatch.setattr(search, "train_once", trained)
    splits = usable_splits(lake, searching(model))
    found = found_in(lake, publish_search(lake, environment, searching(model, trials=5, startup_trials=2), splits, LOG))
    assert [trial["state"] for trial in found["trials"]] == ["complete"] * 3 + ["pruned"] * 2 and validated == [
        3,
        3,
        3,
        1,
        1,
    ]
    validated.clear()
    found = found_in(
        lake, publish_search(lake, environment, searching(model, trials=5, startup_trials=2, prune=False), splits, LOG)
    )
    assert {trial["state"] for trial in found["trials"]} == {"complete"} and validated == [3] * 5


@pytest.mark.parametrize("cause", [NanLoss("nan", ""), OutOfMemory("memory", "")], ids=["nan", "memory"])
def test_a_trial_that_fails_by_its_settings_is_noted_and_the_others_go_on(
    lake: Lake, environment: Environment, model: Path, monkeypatch: pytest.MonkeyPatch, cause: Exception
) -> None:
    made = stand_in(monkeypatch, lambda params: [1.0, cause] if len(made) == 2 else [1.0, 0.5])
    splits = usable_splits(lake, searching(model))
    found = found_in(lake, publish_search(lake, environment, searching(model), splits, LOG))
    assert [trial["failed"] for trial in found["trials"]] == [None, type(cause).__name__, None, None] and found[
        "figures"
    ]["failed"] == 1


def test_a_search_without_a_complete_trial_is_an_error(
    lake: Lake, environment: Environment, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, lambda params: [NanLoss("nan", "")])
    with pytest.raises(TrainingFailed, match=r"none of 4 trials finished \(NanLoss\)"):
        publish_search(lake, environment, searching(model), usable_splits(lake, searching(model)), LOG)
    assert lake.artifacts("complaints", "hyperparameter_search") == []


def test_an_error_that_is_not_of_the_settings_ends_the_search(
    lake: Lake, environment: Environment, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, lambda params: [OSError("disk")])
    with pytest.raises(OSError, match="disk"):
        publish_search(lake, environment, searching(model), usable_splits(lake, searching(model)), LOG)


@pytest.mark.slow  # two processes import torch
def test_two_processes_share_the_trials(lake: Lake, environment: Environment, model: Path) -> None:
    use_case = searching(model, parallel=2)
    found = found_in(lake, publish_search(lake, environment, use_case, usable_splits(lake, use_case), LOG))
    assert [trial["number"] for trial in found["trials"]] == [0, 1, 2, 3] and found["best"]
    assert len({json.dumps(trial["params"]) for trial in found["trials"]}) == 4, "no two processes drew the same values"


def test_only_one_search_works_on_a_study(lake: Lake, environment: Environment, model: Path) -> None:
    use_case = searching(model)
    splits = usable_splits(lake, use_case)
    with (
        study.owning(folder_of(environment, use_case, splits)),
        pytest.raises(TrainerRunning, match="another run is working on"),
    ):
        publish_search(lake, environment, use_case, splits, LOG)


def test_without_optuna_the_extra_is_named(
    lake: Lake, environment: Environment, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"ft-platform\[search\]"):
        publish_search(lake, environment, searching(model), usable_splits(lake, searching(model)), LOG)


def test_what_changes_a_trial_changes_the_study_and_how_many_does_not(lake: Lake, model: Path) -> None:
    use_case = searching(model)
    splits = usable_splits(lake, use_case)
    base, report = study_id(use_case, splits), experiment_inputs(use_case, "hyperparameter_search", splits)[0]
    for same in (searching(model, trials=9), searching(model, parallel=3)):
        assert study_id(same, splits) == base
    for other in (
        searching(model, seed=1),
        searching(model, prune=False),
        searching(model, startup_trials=1),
        searching(model, space={"rank": {"choices": [2, 4]}}),
    ):
        assert (
            study_id(other, splits) != base and experiment_inputs(other, "hyperparameter_search", splits)[0] != report
        )


@pytest.mark.parametrize(
    ("space", "problem"),
    [
        ({"seed": {"choices": [1, 2]}}, "seed"),
        ({"learning_rate": {"low": 1e-4, "high": 5}}, "learning_rate: Input should be less than or equal to 0.1"),
        ({"rank": {"low": 1.5, "high": 8}}, "rank takes whole numbers, got 1.5"),
        ({"schedule": {"choices": ["linear", "sawtooth"]}}, "schedule"),
        ({"rank": {"low": 8, "high": 4}}, "`low` must be below `high`"),
        ({"dropout": {"low": 0, "high": 0.5, "log": True}}, "above 0 with `log: true`"),
        ({"rank": {"low": 4}}, "needs `low` and `high`, or `choices`"),
        ({"rank": {"low": 4, "high": 8, "choices": [4, 8]}}, "and not both"),
        ({"rank": {"choices": [4]}}, "at least 2"),
    ],
)
def test_a_space_that_training_would_refuse_is_an_error_of_the_file(space: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Search.model_validate({"space": space})


def test_an_empty_space_is_the_one_that_the_description_names() -> None:
    assert {name: dimension.ends() for name, dimension in Search().dimensions.items()} == {
        "learning_rate": [0.00005, 0.002],
        "rank": [8, 16, 32],
    }
    assert Search(space={"alpha": {"choices": [8, 16]}}).dimensions.keys() == {"alpha"}  # type: ignore[arg-type]


def test_every_searchable_field_is_one_of_training() -> None:
    from typing import get_args

    from ft_platform.use_case.settings.experiments import SearchedField

    assert set(get_args(SearchedField)) < set(Training.model_fields)


def test_values_that_do_not_go_together_are_a_config_error(model: Path) -> None:
    from ft_platform.training.experiments.training_once import with_training

    with pytest.raises(ConfigError, match="training: "):
        with_training(use_case_for(model), rank=0)
