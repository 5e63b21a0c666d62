"""The ablations of the recipe (`benchmarks/recipe_tricks.py`): what is kept."""

import json
from pathlib import Path

import pytest

from benchmarks import recipe_tricks, trick_training
from benchmarks.recipe_tricks import ANSWERS, LABELS, RECIPE_ROW, measured
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.tiny_models import save_tiny_model, split_rows, usable_splits, use_case_for


def test_a_training_is_made_once_for_a_variant_and_a_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int]] = []

    def train(task: str, settings: dict, *, only_best: bool, with_path: bool) -> dict:
        made.append((task, settings["seed"]))
        return {"value": 0.5}

    monkeypatch.setattr(recipe_tricks, "trained", train)
    assert measured(tmp_path, "complaints", RECIPE_ROW, 17, only_kept=True) is None
    for _ in range(2):
        for seed in (17, 18):
            found = measured(tmp_path, "complaints", RECIPE_ROW, seed)
            assert found is not None and found["value"] == 0.5
    assert made == [("complaints", 17), ("complaints", 18)]
    kept = [json.loads(path.read_text()) for path in (tmp_path / "tricks").iterdir()]
    assert {one["settings"]["seed"] for one in kept} == {17, 18}


def test_every_variant_changes_other_settings() -> None:
    for group in (LABELS, ANSWERS):
        assert len({json.dumps(settings) for settings in group.values()}) == len(group)


@pytest.mark.integration
def test_a_training_scores_what_it_keeps_and_the_weights_beside_it(
    lake: Lake, environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_case = use_case_for(save_tiny_model(tmp_path / "model"), **LABELS["+ more steps"] | {"rank": 2})
    rows = [one | {"split": "test"} if number % 6 == 0 else one for number, one in enumerate(split_rows(144))]
    opened = (environment, lake, use_case, usable_splits(lake, use_case, rows))
    monkeypatch.setattr(trick_training, "_opened", lambda task, settings: opened)
    found = trick_training.trained("complaints", {}, only_best=False, with_path=True)
    assert {"value", "seconds", "steps", "kept", "start", "last", "mean", "path", "area"} <= {*found}
    assert found["steps"] > 4 and len(found["validation"]) >= 4
    steps = [one["step"] for one in found["path"]]
    assert steps[-2:] == [f"0.5 of {found['steps']}", f"0.7 of {found['steps']}"]
    again = trick_training.trained("complaints", {}, only_best=True, with_path=False)
    assert not {"start", "last", "mean", "path"} & {*again}
    assert again["value"] == found["value"]
