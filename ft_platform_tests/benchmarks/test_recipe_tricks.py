"""The ablation table of the recipe (`benchmarks/recipe_tricks.py`): what is kept, and what the page says."""

import json
from pathlib import Path

import pytest

from benchmarks import recipe_tricks, trick_training, tricks
from benchmarks.recipe_tricks import ANSWERS, DESCRIBED, LABELS, RECIPE_ROW, SEEDS_ROW, applicable, measured, page
from ft_platform.lake.store import Lake
from ft_platform.settings.environment import Environment
from ft_platform_tests.tiny_models import save_tiny_model, split_rows, usable_splits, use_case_for


def test_a_training_is_made_once_for_a_variant_and_a_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, str, int]] = []

    def train(task: str, variant: str, settings: dict, only_best: bool, with_path: bool) -> dict:
        made.append((task, variant, settings["seed"]))
        return {"value": 0.5}

    monkeypatch.setattr(recipe_tricks, "_train", train)
    assert measured(tmp_path, "complaints", RECIPE_ROW, 17, only_kept=True) is None
    for _ in range(2):
        for seed in (17, 18):
            found = measured(tmp_path, "complaints", RECIPE_ROW, seed)
            assert found is not None and found["value"] == 0.5
    assert made == [("complaints", RECIPE_ROW, 17), ("complaints", RECIPE_ROW, 18)]
    kept = [json.loads(path.read_text()) for path in (tmp_path / "tricks").iterdir()]
    assert {one["settings"]["seed"] for one in kept} == {17, 18}


def test_the_page_has_the_mean_over_seeds_of_what_was_measured() -> None:
    row = {"value": [0.5, 0.7], "last": [0.4, 0.4], "mean": [None, 0.3]}
    found = {
        "complaints": {RECIPE_ROW: row, "NEFTune": {"value": [0.1]}},
        "two_intents": {RECIPE_ROW: {"value": [0.9]}},
    }
    found["slots"] = {RECIPE_ROW: {"value": [0.8]}}
    lines = page(found, [17, 18]).splitlines()
    assert f"| {RECIPE_ROW} | 0.600 (0.500 to 0.700) | 0.900 |" in lines and "| NEFTune | 0.100 |  |" in lines
    assert f"| {RECIPE_ROW} | 0.800 |" in lines, "written answers have a table of their own"
    assert "| weights of the last step | 0.400 (0.400 to 0.400) |  |" in lines
    assert "| mean of the weights of the second half | 0.300 |  |" in lines
    assert not any(line.startswith("| balanced loss") for line in lines), "nothing was measured"
    assert not any("suites" in line for line in lines), "no suite was asked"


def test_the_page_says_what_was_forgotten_and_what_other_weights_reach() -> None:
    seeds = {"value": [0.7], "alone": [0.6], "ensemble": [0.8]}
    asked = {"value": [0.8, 0.8], "before": [None, {"facts": 0.9}], "after": [None, {"facts": 0.4}]}
    found = {"complaints": {SEEDS_ROW: seeds}, "slots": {RECIPE_ROW: asked, "cosine": {"value": [0.7]}}}
    lines = page(found, [17, 18]).splitlines()
    assert f"| {SEEDS_ROW} | 0.700 |" in lines and "| each of the three seeds alone | 0.600 |" in lines
    assert "| ensemble of the three seeds, at three times the cost | 0.800 |" in lines
    table = [
        "| | | facts |",
        "| --- | --- | ---: |",
        "| slots | base model | 0.900 |",
        f"| slots | {RECIPE_ROW} | 0.400 |",
    ]
    assert lines[lines.index(table[0]) :][:4] == table, "without the training after which no suite was asked"


def test_the_page_says_what_several_seeds_decide_and_what_was_not_run() -> None:
    rows = {RECIPE_ROW: {"value": [0.5, 0.6]}, "NEFTune": {"value": [0.61, 0.7]}, "cosine": {"value": [0.6, 0.7]}}
    told = page({"complaints": {**rows, "dropout 0.1": {"value": [0.9]}}}, [17, 18])
    assert "complaints, better than the recipe with every seed: NEFTune." in told
    assert "complaints, tried with several seeds and not clearly better: cosine." in told
    assert "weight decay 0.1" in told.split("complaints, not run: ")[1], "one seed decides nothing"


def test_a_task_without_descriptions_has_no_row_of_them() -> None:
    assert applicable("all_intents", [RECIPE_ROW, *DESCRIBED]) == [RECIPE_ROW]
    assert applicable("complaints", [RECIPE_ROW, *DESCRIBED]) == [RECIPE_ROW, *DESCRIBED]
    assert set(DESCRIBED) <= set(LABELS)


def test_every_variant_changes_settings_or_has_a_trick_of_its_own() -> None:
    for group in (LABELS, ANSWERS):
        assert len({(json.dumps(settings), trick) for settings, trick in group.values()}) == len(group)


@pytest.mark.integration
def test_a_training_scores_what_it_keeps_and_the_weights_beside_it(
    lake: Lake, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_case = use_case_for(save_tiny_model(tmp_path / "model"), **LABELS["+ more steps"][0] | {"rank": 2})
    rows = [one | {"split": "test"} if number % 6 == 0 else one for number, one in enumerate(split_rows(144))]
    opened = (environment, lake, use_case, usable_splits(lake, use_case, rows))
    monkeypatch.setattr(trick_training, "_opened", lambda task, settings: opened)
    found = trick_training.trained("complaints", tricks.as_it_is, {}, fused=True, only_best=False, with_path=True)
    assert {"value", "seconds", "steps", "kept", "start", "last", "mean", "path", "area"} <= {*found}
    assert found["steps"] > 4 and len(found["validation"]) >= 4
    steps = [one["step"] for one in found["path"]]
    assert steps[-2:] == [f"0.5 of {found['steps']}", f"0.7 of {found['steps']}"]
    again = trick_training.trained("complaints", tricks.as_it_is, {}, fused=True, only_best=True, with_path=False)
    assert not {"start", "last", "mean", "path"} & {*again}
    assert again["value"] == found["value"]
