"""A TF-IDF classifier is a checkpoint like the others, and the system that evaluations compare with."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ft_platform.errors import ConfigError, DataError, VersionRefused
from ft_platform.evaluation.files import read_predictions
from ft_platform.lake.store import Lake
from ft_platform.models import base_model
from ft_platform.models.characters import Characters
from ft_platform.models.rendering.renderer import Rendered
from ft_platform.reporting.model_card import publish_model_card
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.reporting.publishing.fairness import publish_fairness
from ft_platform.reporting.publishing.privacy import publish_privacy_report
from ft_platform.reporting.publishing.regression import publish_regression_report
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.reporting.publishing.training_audit import audit_for
from ft_platform.training.estimate import estimate
from ft_platform.training.experiments.curve import trainings_for_curve
from ft_platform.training.prepare import prepare
from ft_platform.training.privacy_attacks.verdict import privacy_verdict
from ft_platform.training.rendered import RenderedSplit
from ft_platform.training.reproduce import reproduce
from ft_platform.training.words import learned, run_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for, splits_schema
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits

pytestmark = pytest.mark.integration
LOG = logging.getLogger("test")


def cases(lake: Lake, model: Path, *methods: str, rows: int = 60) -> tuple[list[NamedUseCase], Any]:
    """The use case with each of these methods, and splits that are audited for none of them."""
    made = []
    for method in methods:
        attributes = attributes_for(model, "classification")
        attributes["training"] = {"method": method}
        made.append(NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes)))
    texts = rows_for("classification", rows)
    for number, row in enumerate(texts):  # No word is of one person only: such words the system knows that is compared.
        row["messages"][0]["content"] = row["messages"][0]["content"].replace(f"Case {number}", f"Case {number % 6}")
    return made, usable_splits(lake, made[0], texts, splits_schema(made[0]))


@pytest.fixture
def made(lake: Lake, environment: Any, tmp_path: Path) -> tuple[Any, ...]:
    (use_case,), splits = cases(lake, save_tiny_model(tmp_path / "model"), "tfidf_logreg")
    return lake, environment, use_case, splits


def test_what_is_trained_answers_as_the_system_that_is_compared_and_every_report_is_made(
    made: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, _, use_case, _ = made
    base = publish_base_evaluation(*made)
    monkeypatch.setattr(base_model, "_with_sdpa", None)  # from here on no base model can be loaded
    checkpoint = checkpoint_for(*made, LOG).checkpoint
    report = publish_evaluation_report(*made, checkpoint, base)
    rows = read_predictions(lake, report).to_pylist()
    own, compared = (
        {row["record_id"]: row for row in rows if row["system"] == system} for system in ("fine_tuned", "tfidf_logreg")
    )
    assert own.keys() == compared.keys() and len(own) == 12
    for record_id, row in own.items():
        assert row["predicted"] == compared[record_id]["predicted"]
        assert row["confidence"] == pytest.approx(compared[record_id]["confidence"], abs=1e-6)
    fairness = publish_fairness(lake, use_case, report)
    card = publish_model_card(lake, use_case, checkpoint, report, fairness)
    pages = {
        name: lake.read_file(version, file).decode()
        for name, version, file in (
            ("evaluation", report, "report.html"),
            ("card", card, "README.md"),
            ("training", checkpoint, "report.html"),
        )
    }
    assert "TF-IDF classifier" in pages["card"] and "built-in:characters" not in pages["card"]
    assert "the trained TF-IDF classifier" in pages["evaluation"]
    assert "It needs no base model." in pages["training"] and "training.rank" not in pages["training"]
    for name, page in pages.items():
        assert "LoRA" not in page and "ine-tuned" not in page, name


def test_the_attack_needs_no_base_model_and_says_what_the_file_lists(
    lake: Lake, environment: Any, tmp_path: Path
) -> None:
    (use_case,), splits = cases(lake, save_tiny_model(tmp_path / "model"), "tfidf_logreg", rows=300)
    made = lake, environment, use_case, splits
    checkpoint = checkpoint_for(*made, LOG).checkpoint
    report = json.loads(lake.read_file(publish_privacy_report(*made, checkpoint), "privacy.json"))
    assert (report["members"], report["others"]) == (210, 90) and report["membership"]
    terms = json.loads(lake.read_file(checkpoint, "terms.json"))["terms"]
    assert report["terms"] == len(terms) > 30 and "swipe was" in terms
    assert any(f"lists {len(terms):,} words" in one for one in privacy_verdict(report, use_case).warnings)
    assert report["extraction_rate"]["status"].startswith("the model writes no text")
    asked = json.loads(
        lake.read_file(publish_regression_report(lake, environment, use_case, checkpoint), "regression.json")
    )
    assert asked["passed"] and not asked["suites"]


def test_it_is_reproduced_to_the_byte_estimated_and_no_matter_for_experiments_with_steps(
    made: tuple[Any, ...], tmp_path: Path
) -> None:
    lake, environment, use_case, _ = made
    checkpoint = checkpoint_for(*made, LOG).checkpoint
    assert checkpoint_for(*made, LOG).reused
    assert reproduce(lake, environment, use_case, checkpoint)["identical"]
    prepared = prepare(*made)
    found = estimate(prepared, prepared.training, ComputeProfile(), seconds=0.0, setup=(2.0, 1.0))
    assert found["seconds"] == 2.0 and found["memory_gib"] > 0 and not found["few_steps"]
    with pytest.raises(ConfigError, match="learning_curve is about the steps of a training"):
        trainings_for_curve(*made, tmp_path / "results.jsonl", LOG)


def test_another_method_reads_other_tokens_and_so_needs_another_audit(
    lake: Lake, environment: Any, tmp_path: Path
) -> None:
    (words, tuned), splits = cases(lake, save_tiny_model(tmp_path / "model"), "tfidf_logreg", "lora")
    audit_for(lake, environment, words, splits)
    prepare(lake, environment, words, splits)
    with pytest.raises(VersionRefused, match="was audited with renderer"):
        prepare(lake, environment, tuned, splits)


def test_a_label_without_a_training_record_is_refused() -> None:
    sides = {"train": side_of(a="my card", b="my loan"), "validation": side_of()}
    with pytest.raises(DataError, match="no training record has the label rare"):
        learned(sides, [None] * 2, Characters().decode, ["card", "loan", "rare"])


def side_of(**texts: str) -> RenderedSplit:
    """Records of two labels by turns."""
    rows = [Rendered([*map(ord, text)], [], len(text), False) for text in texts.values()]
    return RenderedSplit(rows, record_ids=[*texts], answers=[("card", "loan")[i % 2] for i in range(len(texts))])


def test_its_file_lists_no_word_that_a_single_person_uses() -> None:
    sides = {"train": side_of(a="card of zoe", b="loan of zoe", c="my card", d="my loan"), "validation": side_of()}
    model = learned(sides, ["p1", "p1", "p2", None], Characters().decode, ["card", "loan"])
    assert model.terms == ["card", "loan", "my"]
    nobody_named = learned(sides, [None] * 4, Characters().decode, ["card", "loan"])
    assert nobody_named.terms == ["card", "loan", "my", "of", "of zoe", "zoe"]


def test_whose_a_record_is_comes_from_the_splits(lake: Lake, environment: Any, tmp_path: Path) -> None:
    attributes = attributes_for(save_tiny_model(tmp_path / "model"), "classification")
    attributes["training"], attributes["record"]["subject"] = {"method": "tfidf_logreg"}, "customer"
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    rows = [{**row, "subject_id": "one and the same"} for row in rows_for("classification")]
    splits = usable_splits(lake, use_case, rows, splits_schema(use_case))
    with pytest.raises(DataError, match="no two persons use the same word"):
        prepare(lake, environment, use_case, splits)


def test_without_a_validation_record_of_a_known_label_there_is_no_loss() -> None:
    sides = {"train": side_of(a="my card", b="my loan"), "validation": side_of()}
    model = learned(sides, [None] * 2, Characters().decode, ["card", "loan"])
    with pytest.raises(DataError, match="no validation record has a label of the training records"):
        run_of(model, replace(side_of(c="my card"), answers=["rare"]), ["card", "loan"])


def test_validation_figures_are_those_of_the_validation_records(made: tuple[Any, ...]) -> None:
    trained = checkpoint_for(*made, LOG)
    assert trained.metrics["steps"] == 0 and 0 < trained.metrics["validation_loss"] < np.log(3)
    assert trained.metrics["validation_macro_f1"] == 1.0
