"""The honesty control: where labels are shuffled at random there is nothing to learn, and an evaluation that finds
something is broken.

The same judgement on the true labels is the positive control: it must find what there is.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ft_platform.evaluation.files import read_metrics
from ft_platform.evaluation.metric import metric
from ft_platform.lake.opening import open_lake
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.reporting.verdict import compared, fine_tune_or_prompt
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for
from ft_platform_tests.release.evidence_case import EvidenceCase, good_figures
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits

ROWS, CONFIDENCE, CHANCE = 160, 0.99, 0.5
"""Two labels, each on half of the records, so that every way of guessing is right on half of them. Of 400 resamples
none could be better at this confidence after Holm's correction (the smallest probability of 400 is 0.005, times four
systems), so there are more."""


def evaluated(home: Path, labels: list[str]) -> dict[str, Any]:
    """`metrics.json` of a use case whose records have these labels; the word that tells the true one is in each
    text."""
    environment = Environment(home=home, defs=home / "defs", tracking_uri="none")
    attributes = attributes_for(
        save_tiny_model(home / "model"),
        "classification",
        confidence=CONFIDENCE,
        few_shot_examples=1,
        bootstrap_samples=2000,
    )
    attributes["training"] = {"recipe": "manual", "epochs": 8, "batch_rows": 8, "rank": 16, "learning_rate": 0.01}
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    lake = open_lake(environment)
    rows = rows_for("classification", ROWS)
    for row, true, label in zip(rows, true_labels(), labels, strict=True):
        row["messages"][0]["content"] = (
            f"My {'swipe' if true == 'card' else 'house'} was handled badly. Case {row['record_id']}."
        )
        row["label"] = label
    splits = usable_splits(lake, use_case, rows, splits_schema(use_case))
    where = (lake, environment, use_case, splits)
    base = publish_base_evaluation(*where)
    checkpoint = checkpoint_for(*where, logging.getLogger("test")).checkpoint
    return read_metrics(lake, publish_evaluation_report(*where, checkpoint, base))


def true_labels() -> list[str]:
    return [("card", "loan")[number % 2] for number in range(ROWS)]


def shuffled_labels() -> list[str]:
    return [str(label) for label in np.random.default_rng(11).permutation(true_labels())]


def above_chance(figures: dict[str, Any], system: str) -> bool:
    return figures["systems"][system]["accuracy"]["low"] > CHANCE


def better_than(figures: dict[str, Any], system: str, name: str) -> bool:
    found = figures["differences"][system][name]
    return (
        compared(found, metric(name), max(found["p"], figures["tests"][system]["p_corrected"]), CONFIDENCE) == "better"
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}

    def of(kind: str) -> dict[str, Any]:
        if kind not in found:
            found[kind] = evaluated(
                tmp_path_factory.mktemp(kind), shuffled_labels() if kind == "shuffled" else true_labels()
            )
        return found[kind]

    return of


def test_the_labels_are_really_shuffled_and_as_frequent_as_before() -> None:
    agreeing = np.mean([a == b for a, b in zip(true_labels(), shuffled_labels(), strict=True)])
    assert sorted(shuffled_labels()) == sorted(true_labels()) and 0.4 < agreeing < 0.6


@pytest.mark.integration
@pytest.mark.parametrize("system", ["fine_tuned", "tfidf_logreg", "base_zero_shot", "base_few_shot", "majority"])
def test_on_shuffled_labels_every_system_is_at_chance(made, system: str) -> None:
    accuracy = made("shuffled")["systems"][system]["accuracy"]
    assert accuracy["low"] <= CHANCE <= accuracy["high"], accuracy


@pytest.mark.integration
def test_on_shuffled_labels_the_fine_tuned_model_is_better_than_none_and_nobody_is_told_to_fine_tune(made) -> None:
    figures = made("shuffled")
    for system in figures["differences"]:
        assert not better_than(figures, system, "accuracy"), system
    assert not better_than(figures, "base_few_shot", "macro_f1")
    assert not fine_tune_or_prompt(figures, metric("macro_f1"), CONFIDENCE).startswith("Fine-tune")


@pytest.mark.integration
def test_shuffled_labels_are_diagnosed_and_true_ones_are_not(made) -> None:
    found = made("shuffled")["diagnosis"]
    assert found["case"] == "nothing_to_learn" and found["command"] == "ft errors complaints --text"
    assert made("true")["diagnosis"]["case"] not in ("nothing_to_learn", "wrong_labels")


@pytest.mark.integration
def test_on_the_true_labels_the_same_judgement_finds_what_there_is_to_learn(made) -> None:
    figures = made("true")
    assert above_chance(figures, "tfidf_logreg") and not above_chance(made("shuffled"), "tfidf_logreg")
    assert above_chance(figures, "fine_tuned") and not above_chance(made("shuffled"), "fine_tuned")
    assert better_than(figures, "majority", "accuracy")


def refusing(home: Path, figures: dict[str, Any]) -> dict[str, str]:
    """Rules of the gate that do not hold where everything else is fine, for a model that must beat the majority class
    and the prompt."""
    gate = {"beats": ["majority", "base_few_shot", "champion"], "metric": "accuracy", "floors": {"accuracy": 0.55}}
    return EvidenceCase(home, {"gate": gate}, {**good_figures(), "evaluation_report": figures}).refusing()


@pytest.mark.integration
def test_the_gate_refuses_a_model_of_shuffled_labels(made, tmp_path: Path) -> None:
    found = refusing(tmp_path, made("shuffled"))
    assert {"beats/majority", "beats/base_few_shot", "floor/accuracy"} <= set(found), found


@pytest.mark.integration
def test_the_gate_lets_a_model_of_the_true_labels_pass_what_it_has_learned(made, tmp_path: Path) -> None:
    assert not {"beats/majority", "floor/accuracy"} & set(refusing(tmp_path, made("true")))
