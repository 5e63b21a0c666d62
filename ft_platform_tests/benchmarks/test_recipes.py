"""The comparison of recipes (`benchmarks/recipes.py`): what is kept, and what shares and ranks say."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import recipes
from benchmarks.recipes import Measurements, TaskStopped, row, summary
from ft_platform.training import recipe as chosen

TASK = {"name": "lamps", "sha256": "ab", "held_out": True, "metric": "macro_f1", "kind": "label"}


def line(name: str, ours: float, tfidf: float | None, held_out: bool = True, **peers: float) -> dict[str, Any]:
    beside = {"few_shot": 0.5, "tfidf": tfidf, "peers": peers}
    return {
        "name": name,
        "held_out": held_out,
        "ours": ours,
        "low": ours - 0.05,
        "high": ours + 0.05,
        "metric": "macro_f1",
        "seeds": [ours - 0.1, ours + 0.1],
        "seeds_before": [ours - 0.2, ours + 0.2],
        "search": None,
        "refused_by": ["beats/tfidf_logreg"] if tfidf and tfidf > ours else [],
        "membership_rate": 0.02,
        "membership_area": 0.61,
        "forgotten": {"arithmetic": "kept"} if tfidf is None else {},
        **beside,
    }


class Counted(Measurements):
    """Measures nothing: a value of the seed."""

    measured = 0

    def _measure(self, task: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
        self.measured += 1
        value = training["seed"] / 100 + ("rank" in training)
        figures = {"fine_tuned": {"value": value, "low": 0.1, "high": 0.9}, "majority": {"value": 0.2}, "tfidf": None}
        refused = {None: ["memorization"], "tfidf_logreg": []}.get(training.get("method"), ["fairness"])
        judged = {"refused_by": refused, "membership_rate": 0.09, "membership_area": 0.7}
        return {"metrics": figures, "seconds": {"training": 12.0}, "test_rows": 100, **judged}


def test_what_was_measured_is_not_measured_again_unless_records_settings_or_the_recipe_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again = Counted(tmp_path), Counted(tmp_path)
    found = row(first, TASK, [17, 19], ["trl"])
    assert first.measured == 5 and row(again, TASK, [17, 19], ["trl"]) == found and again.measured == 0
    assert found["ours"] == 0.18 and found["peers"] == {"trl": 1.17} and found["majority"] == 0.2
    assert found["tfidf"] is None and found["seconds"] == 12.0
    assert (found["refused_by"], found["membership_rate"], found["membership_area"]) == (["memorization"], 0.09, 0.7)
    assert found["simpler"] == {"tfidf_logreg": [], "linear_probe": ["fairness"]}, "asked where the model is refused"
    row(again, {**TASK, "sha256": "cd"}, [17], [])
    monkeypatch.setattr(recipes, "recipe_hash", "another {}".format)
    row(again, TASK, [17], ["trl"])  # what a peer reaches does not depend on our recipe
    assert again.measured == 6 and len(list((tmp_path / "results").iterdir())) == 11


def test_a_choice_for_labels_changes_no_result_of_written_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {kind: recipes.recipe_hash(kind) for kind in recipes.KINDS}
    assert len({*before.values()}) == 3 and recipes.recipe_hash("json") == recipes.recipe_hash("dialogue")
    monkeypatch.setattr(chosen, "HEAD_RATE_AT", 1e-4)
    assert recipes.recipe_hash("label") != before["label"]
    assert recipes.recipe_hash("written") == before["written"] and recipes.recipe_hash("pair") == before["pair"]


def test_the_best_trial_of_a_search_is_trained_once_more_and_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counted, "_search", lambda self, task: {"rank": 32})
    first, again = Counted(tmp_path), Counted(tmp_path)
    found = row(first, TASK, [17], [], search=True)
    assert (found["ours"], found["search"], first.measured) == (0.17, 1.17, 4)
    assert row(again, TASK, [17], [], search=True) == found and again.measured == 0
    monkeypatch.setattr(recipes, "recipe_hash", "another {}".format)  # its trials start from what the recipe chooses
    row(again, TASK, [17], [], search=True)
    assert again.measured == 4


def test_what_is_not_kept_is_left_out_where_nothing_is_to_be_measured(tmp_path: Path) -> None:
    row(Counted(tmp_path), TASK, [17], ["trl"])
    kept = Counted(tmp_path, only_kept=True)
    found = row(kept, TASK, [17, 18], ["trl", "axolotl"], search=True)
    assert found is not None and kept.measured == 0
    assert (found["seeds"], found["peers"], found["search"]) == ([0.17], {"trl": 1.17}, None)
    assert row(kept, {**TASK, "sha256": "cd"}, [17], []) is None


def test_what_a_line_of_the_docs_has_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counted, "_search", lambda self, task: {"rank": 32})
    had = row(Counted(tmp_path / "lost"), TASK, [17], ["trl", "before"])
    assert had is not None
    later = Counted(tmp_path)
    found = row(later, TASK, [17, 18], ["trl", "before"], search=True, had=had)
    assert found == row(Counted(tmp_path / "all"), TASK, [17, 18], ["trl", "before"], search=True)
    assert later.measured == 3, "the second seed of both, and the best trial"
    assert row(Counted(tmp_path, only_kept=True), TASK, [17], [], had=had) == had


def test_only_where_answers_are_written_it_is_asked_what_was_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counted, "_forgotten", lambda self, task, seed: {"arithmetic": "worse"})
    measured = Counted(tmp_path)
    assert row(measured, TASK, [17], [])["forgotten"] == {}
    assert row(measured, {**TASK, "kind": "text"}, [17], [])["forgotten"] == {"arithmetic": "worse"}


def test_shares_and_ranks_are_of_held_out_tasks_and_of_what_was_compared() -> None:
    rows = [
        line("easy", 0.9, 0.8, trl=0.95),
        {**line("hard", 0.4, 0.6, trl=0.3), "simpler": {"tfidf_logreg": ["memorization"], "linear_probe": []}},
        line("open", 0.5, None, trl=0.5),
        line("known", 0.1, 0.9, held_out=False, trl=0.9),
    ]
    assert summary(rows) == {
        "share_at_least_tfidf": 0.5,
        "significantly_worse_than_tfidf": ["hard"],
        "share_better_than_few_shot": round(1 / 3, 3),
        "share_accepted": round(2 / 3, 3),
        "share_accepted_or_simpler": 1.0,
        "mean_rank": {"ours": 1.33, "trl": 1.33},
        "regret_to_search": None,
        "seed_spread": {"ours": 0.1, "before": 0.2},
        "forgetting": ["kept"],
    }
    assert summary(rows[-1:])["share_at_least_tfidf"] == 0.0
    rows[0]["search"], rows[1]["search"] = 0.83, 0.29
    assert summary(rows)["regret_to_search"] == 0.01, "0.83 beside 0.8 and 0.29 beside 0.3, of the first seed"
    assert summary([line("open", 0.5, None)])["share_at_least_tfidf"] is None


def test_the_page_keeps_what_earlier_recipes_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "DOCS", tmp_path / "benchmarks")
    for recipe, ours in (("first", 0.7), ("second", 0.9), ("second", 0.8)):
        rows = [{**line("lamps", ours, 0.75, trl=0.6), **dict.fromkeys(recipes.SYSTEMS), "tfidf": 0.75}]
        rows += [{**rows[0], "name": "chairs"}] if recipe == "first" else []
        recipes.write({"recipe": recipe, "tasks": rows, **summary(rows)})
    page = (tmp_path / "benchmarks" / "recipes.md").read_text(encoding="utf-8")
    assert "`second`" in page and "| chairs | first | yes | macro_f1 | 2 | 0.700 |" in page, "not measured since"
    assert "| lamps | second | yes | macro_f1 | 2 | **0.800** | 0.750 to 0.850 | none |  | 0.020 | 0.610 |" in page
    kept = json.loads((tmp_path / "benchmarks" / "recipes.json").read_text(encoding="utf-8"))["earlier"]
    assert kept == {"first": {"lamps": 0.7, "chairs": 0.7}}


def test_a_task_that_stops_is_named_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def one(_measured: Measurements, task: dict[str, Any], *_: object) -> dict[str, Any]:
        if task["name"] == "noisy_intents":
            raise TaskStopped("no_residual_pii failed")
        return line(task["name"], 0.8, 0.7)

    monkeypatch.setattr(recipes, "row", one)
    monkeypatch.setattr("sys.argv", ["recipes.py", "--folder", str(tmp_path), "--only-kept", "--quick", "--json"])
    with pytest.raises(SystemExit, match="their runs stopped: noisy_intents"):
        recipes.main()
    found = json.loads(capsys.readouterr().out)
    assert found["stopped"] == {"noisy_intents": "no_residual_pii failed"}
    assert [task["name"] for task in found["tasks"]] == ["two_intents", "film_sentences", "chinese_reviews"]


def test_what_is_measured_stands_in_the_file_by_which_a_release_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a model with settings of one run nothing counts: every rule would refuse it."""
    file = tmp_path / "defs" / "lamps" / "defs.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("type: case\nattributes:\n  description: Lamps.\n")
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, stdout="{}")

    monkeypatch.setattr(recipes.subprocess, "run", run)
    measurements = Measurements(tmp_path)
    measurements._run("lamps", ["--until", "splits"], {"training": {"seed": 18, "rank": 4}})
    attributes = yaml.safe_load(file.read_text())["attributes"]
    assert attributes == {"description": "Lamps.", "training": {"seed": 18, "rank": 4}}
    measurements._run("lamps", ["--until", "splits"], {})
    assert yaml.safe_load(file.read_text())["attributes"] == {"description": "Lamps."}
    assert not any("--set" in command for command in commands)
