"""The table of scores that the UI shows beside an evaluation."""

import numpy as np
import pytest

from ft_platform.evaluation.metric import metrics_of
from ft_platform.evaluation.outputs import LabelOutputs, TextOutputs
from ft_platform.reporting.score_table import score_table_markdown


def evaluation(task: str, **values: float) -> dict:
    """Every metric of a system that any test split has gets the same value, with an interval of 0.1 to both sides."""
    plain = (
        TextOutputs(["a"], ["a"], np.ones(1), np.ones(1)) if task == "generation" else LabelOutputs(["a"], ["a"], ["a"])
    )
    names = [m.name for m in metrics_of(task) if m.applies(plain)]
    others = {system: values["fine_tuned"] - v for system, v in values.items() if "fine_tuned" in values}
    others.pop("fine_tuned", None)
    return {
        "systems": {system: _figures(names, v, 0.1) for system, v in values.items()},
        "differences": {system: _figures(names, v, 0.15) for system, v in others.items()},
        "tests": {system: {"p_corrected": 0.01} for system in others},
    }


def _figures(names: list[str], value: float, width: float) -> dict[str, dict[str, float]]:
    return {name: {"value": value, "low": value - width, "high": value + width} for name in names}


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def test_the_fine_tuned_model_comes_first_and_then_the_best() -> None:
    text = score_table_markdown(
        evaluation("classification", majority=0.1, base_few_shot=2 / 7, tfidf_logreg=0.6, fine_tuned=0.4), 0.95
    )
    assert text.startswith("**TF-IDF + logistic regression has the best Macro F1: 0.600 (0.500 to 0.700).**\n\n|")
    head, _, *body = rows(text)
    assert head[:2] == ["system", "Macro F1"]
    expected = ["Fine-tuned model", "TF-IDF + logistic regression", "Base model, few-shot", "Majority class"]
    assert [row[0] for row in body] == expected
    assert [row[1] for row in body] == [
        "0.400 (0.300 to 0.500)",
        "**0.600** (0.500 to 0.700)",
        "0.286 (0.186 to 0.386)",
        "0.100 (0.000 to 0.200)",
    ]


def test_the_lowest_loss_is_the_best() -> None:
    text = score_table_markdown(evaluation("generation", base_zero_shot=3.0, base_few_shot=2.5, fine_tuned=1.5), 0.95)
    assert text.startswith("**Fine-tuned model has the best Answer loss: 1.500 (1.400 to 1.600).**")
    head, _, *body = rows(text)
    assert head[1] == "Answer loss (lower is better)"
    assert [row[0] for row in body] == ["Fine-tuned model", "Base model, few-shot", "Base model, zero-shot"]


def test_an_evaluation_without_a_fine_tuned_model_has_a_table_too() -> None:
    text = score_table_markdown(evaluation("classification", majority=0.1, tfidf_logreg=0.5), 0.95)
    assert "TF-IDF + logistic regression has the best Macro F1" in text
    assert [row[0] for row in rows(text)[2:]] == ["TF-IDF + logistic regression", "Majority class"]


def test_of_systems_that_cannot_be_told_apart_none_is_called_the_best() -> None:
    tied = score_table_markdown(evaluation("classification", linear_probe=0.834, majority=0.1, fine_tuned=0.841), 0.95)
    assert tied.startswith(
        "**Fine-tuned model has the highest Macro F1, 0.841 (0.741 to 0.941), but these test records cannot tell it"
        " from Linear probe of the base model.**"
    )
    apart = score_table_markdown(evaluation("classification", majority=0.1, base_few_shot=0.45, tfidf_logreg=0.5), 0.95)
    assert "cannot tell it from Base model, few-shot" in apart and "best" not in apart


ALL_SYSTEMS = {"majority": 0.1, "tfidf_logreg": 0.4, "base_zero_shot": 0.2, "base_few_shot": 0.3, "fine_tuned": 0.5}


@pytest.mark.parametrize(
    "values",
    [ALL_SYSTEMS, {**ALL_SYSTEMS, **{f"system_{n}_" + "x" * 30: 0.0 for n in range(60)}}],
    ids=["shipped systems", "sixty more of long names"],
)
@pytest.mark.parametrize("task", ["classification", "generation"])
def test_the_ui_shows_it_inline(task: str, values: dict[str, float]) -> None:
    text = score_table_markdown(evaluation(task, **values), 0.95)
    assert len(text) < 1000
    columns = {len(row) for row in rows(text)}
    assert len(columns) == 1 and columns.pop() >= 2
    assert rows(text)[2][0] == "Fine-tuned model"
    missing = len(values) - len(rows(text)[2:])
    assert (f"{missing} more systems are in the report." in text) == (missing > 0)
