"""Every number of an evaluation and of its fairness report is what an independent script makes of the saved
predictions."""

import ast
import logging
from pathlib import Path
from typing import Any

import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.reporting.publishing.fairness import publish_fairness
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.evaluation import recompute, recompute_fairness, recompute_text_fairness
from ft_platform_tests.evaluation.evaluated import MEASURED, Evaluated, not_from_predictions
from ft_platform_tests.evaluation.recompute import Expected, moves_not_found, problems, text_metrics
from ft_platform_tests.evaluation.tiny_case import HOSTILE, attributes_for, rows_for
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits

pytestmark = pytest.mark.integration

FAIRNESS = {
    "sensitive_features": ["region", "channel"],
    "swaps": [{"name": "words", "terms": [["swipe", "house"]]}, {"name": "absent", "terms": [["aunt", "uncle"]]}],
    "mitigation": "exponentiated_gradient",
    "mitigation_label": "card",
}
"""Settings with which every part of `fairness.json` has figures."""

SAMPLES = 4000
"""So many resamples bound the ends of an interval closely enough to tell systems resampled together from systems
resampled apart."""


class Run(Evaluated):
    """A tiny model trained and evaluated, and what was saved of it."""

    def __init__(self, home: Path, kind: str, rows: list[dict[str, Any]], samples: int = 400, **fairness: Any) -> None:
        environment = Environment(home=home, defs=home / "defs", tracking_uri="none")
        attributes = attributes_for(save_tiny_model(home / "model"), kind)
        attributes["evaluation"]["bootstrap_samples"] = samples
        attributes["fairness"] |= fairness
        attributes["record"]["date"] = "day"
        attributes["cleaning"] = {"allowed_languages": ["en", "de"]}
        attributes["record"]["features"] = {name: name for name in attributes["fairness"]["sensitive_features"]}
        use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
        lake = open_lake(environment)
        splits = usable_splits(lake, use_case, rows, splits_schema(use_case))
        where = (lake, environment, use_case, splits)
        base = publish_base_evaluation(*where)
        checkpoint = checkpoint_for(*where, logging.getLogger("test")).checkpoint
        report = publish_evaluation_report(*where, checkpoint, base)
        super().__init__(lake, use_case, splits, report, publish_fairness(lake, use_case, report))


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> Run:
    rows = rows_for("classification", 150)
    for number, row in enumerate(rows):
        row["feature_region"] = None if number < 20 else ("north", "south")[number // 10 % 2]
        row["record_date"] = None if number % 50 == 7 else f"2025-{1 + number // 15:02d}-0{1 + number % 3}"
        row["feature_channel"] = ("web", "phone", "post")[number // 10 % 3]
        row["label"] = HOSTILE if number % 15 == 14 else ("card", "loan")[number % 2]
        row["entities"] = {"PERSON": number % 3} if number % 4 == 0 else None
        if number % 3 == 1:
            row["messages"][0]["content"] += " Ich habe mehrmals geschrieben, aber niemand hat mir bisher geantwortet."
        if number % 11 == 0 and row["split"] == "train":
            row["messages"], row["text_characters"], row["group_id"] = (
                [{"role": "user", "content": f"swipe {number}"}],
                len(f"swipe {number}"),
                "twice",
            )
    return Run(tmp_path_factory.mktemp("classification"), "classification", rows, SAMPLES, **FAIRNESS)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("generation"), "generation", rows_for("generation"))


@pytest.fixture(scope="module")
def expected(classified: Run) -> Expected:
    return classified.expected_labels()


@pytest.fixture(scope="module")
def told(classified: Run) -> Any:
    return classified.saved(classified.fairness, "fairness.json")


@pytest.fixture(scope="module")
def expected_fairness(classified: Run, told: Any) -> Expected:
    return classified.expected_fairness(told)


@pytest.mark.parametrize("script", [recompute, recompute_fairness, recompute_text_fairness])
def test_the_script_uses_nothing_of_the_platform(script: Any) -> None:
    tree = ast.parse(Path(script.__file__).read_text(encoding="utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules -= {recompute.__name__, recompute_fairness.__name__}
    assert modules and not any(module.startswith("ft_platform") for module in modules)


def test_every_number_of_a_classification_follows_from_its_predictions(classified: Run, expected: Expected) -> None:
    assert problems(classified.metrics, expected, not_from_predictions) == []
    assert len(expected.numbers) > 400
    assert classified.metrics["win_rates"] == {}
    wanted = {"region", "channel", "label", "language", "time", "text length"}
    assert {one["by"] for one in classified.metrics["slices"]} == wanted
    assert {path[0] for path in expected.numbers} == set(classified.metrics) - MEASURED - {"win_rates"}


def test_every_number_of_a_generation_follows_from_its_predictions(generated: Run) -> None:
    references = {row["record_id"]: row["messages"][-1]["content"] for row in generated.records("test")}
    ordered = [references[record_id] for record_id in generated.columns["fine_tuned"]["record_id"]]
    expected = text_metrics(generated.metrics, generated.columns, ordered, generated.use_case.settings.evaluation)
    assert problems(generated.metrics, expected, not_from_predictions) == []
    assert len(expected.numbers) > 150


def test_every_number_of_the_fairness_report_follows_from_the_predictions_and_splits(
    told: Any, expected_fairness: Expected
) -> None:
    assert problems(told, expected_fairness, lambda path: False) == []
    assert {path[0] for path in expected_fairness.numbers} == set(told)
    region, groups = told["features"]["region"], told["data"]["region"]["groups"].values()
    for found in (
        region["demographic_parity"],
        region["equalized_odds"],
        *region["errors"].values(),
        told["data"]["region"]["label_gap"],
    ):
        assert found, "a difference was not compared, so it was not tested either"
    seen = {group["enough_evidence"] for group in told["intersections"]["region and channel"]["groups"].values()}
    assert seen == {True, False}
    for name in ("short", "personal_data", "repeated"):
        assert any(0 < group[name]["value"] < 1 for group in groups), name
    assert [told["swaps"][name]["status"] for name in ("words", "absent")] == ["measured", "not_enough_evidence"]
    assert told["swaps"]["words"]["flips"] and told["mitigation"]["change"]["gap"]["value"] != 0


def test_a_changed_number_is_found_wherever_it_stands(classified: Run, expected: Expected) -> None:
    """Every number in turn is moved: an exact one by a hundredth, one with bounds beyond them."""
    assert moves_not_found(classified.metrics, expected, not_from_predictions) == []


def test_a_changed_number_of_the_fairness_report_is_found_wherever_it_stands(
    told: Any, expected_fairness: Expected
) -> None:
    assert moves_not_found(told, expected_fairness, lambda path: False) == []


def test_intervals_of_another_confidence_are_found(classified: Run, expected: Expected) -> None:
    """The bounds of the resamples are narrow enough to tell 95 % from 50 %."""
    narrow = Expected(expected.samples, 0.5)
    correct = [
        t == p
        for t, p in zip(
            classified.columns["fine_tuned"]["label"], classified.columns["fine_tuned"]["predicted"], strict=True
        )
    ]
    import numpy as np

    draws = np.array(correct, float)[recompute.resampled_rows(len(correct), 1000, 5)].mean(axis=1)
    narrow.interval("x", value=float(np.mean(correct)), draws=draws)
    found = classified.metrics["systems"]["fine_tuned"]["accuracy"]
    assert problems({"x": found}, narrow, lambda path: False)
