"""When a model abstains, and what a decision says about it."""

from typing import Any

import numpy as np
import pytest

from ft_platform.evaluation.abstaining import ALWAYS, abstaining
from ft_platform.evaluation.calibration import calibration
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.use_case.settings.evaluation import Evaluation
from ft_platform.use_case.settings.guardrails import Guardrails


def selective(*rows: tuple[int, int, float]) -> list[dict[str, Any]]:
    """As `evaluation.calibration` writes it, from records, hits and threshold; the first row has all records."""
    return [
        {"coverage": n / rows[0][0], "rows": n, "threshold": least, "accuracy": {"value": hits / n}}
        for n, hits, least in rows
    ]


@pytest.mark.parametrize(
    ("table", "threshold"),
    [
        # Clopper-Pearson, one-sided at 0.05 / 2: all of n right proves 0.025 ** (1 / n), so 0.95 needs 72.
        (selective((200, 180, 0.3), (72, 72, 0.9)), 0.9),
        (selective((200, 180, 0.3), (71, 71, 0.9)), ALWAYS),
        (selective((1000, 980, 0.3), (100, 100, 0.9)), 0.3),
        (selective((1000, 955, 0.3), (20, 20, 0.99)), ALWAYS),  # 95.5 % of 1,000 proves less than 95 %
        (selective((50, 0, 0.3)), ALWAYS),
        ([], ALWAYS),
    ],
)
def test_a_threshold_is_taken_only_if_its_accuracy_is_proven(table: list[dict[str, Any]], threshold: float) -> None:
    assert abstaining(table, Guardrails(abstain_for_accuracy=0.95)).below == threshold
    assert abstaining(table, Guardrails()).below == (0.0 if threshold == ALWAYS else threshold), "the same by default"


@pytest.mark.parametrize(
    ("table", "guardrails", "says"),
    [
        (
            selective((500, 450, 0.2), (400, 392, 0.6)),
            {},
            "The model answers 80 % of requests like the test records with 98 % right and leaves the others to a"
            " person.",
        ),
        (
            selective((500, 495, 0.2)),
            {},
            "The model answers 100 % of requests like the test records with 99 % right.",
        ),
        (  # 0.05 / 2: 180 of 200 prove 0.849, 150 of 160 prove 0.888
            selective((200, 180, 0.3), (160, 150, 0.6)),
            {},
            "The model gives every request a label: no probability is proven to give labels of which 95 % are right on"
            " 200 test records. With abstain_for_accuracy: 0.88, which is proven, it answers 80 % of requests like the"
            " test records with 94 % right and leaves the others to a person.",
        ),
        (
            selective((40, 38, 0.3)),
            {},
            "The model gives every request a label: no probability is proven to give labels of which 95 % are right on"
            " 40 test records (it takes 59 at least).",
        ),
        (
            [],
            {},
            "The model gives every request a label: no probability is proven to give labels of which 95 % are right on"
            " fewer than 10 test records.",
        ),
        (
            selective((200, 180, 0.3)),
            {"abstain_for_accuracy": 0.99},
            "The model leaves every request to a person: no probability is proven to give labels of which 99 % are"
            " right on 200 test records (it takes 299 at least).",
        ),
        ([], {"abstain_below": "none"}, "The model gives every request a label (abstain_below: none)."),
        (
            [],
            {"abstain_below": 0.7},
            "The model leaves a request to a person where its label is less probable than 0.7.",
        ),
    ],
)
def test_it_is_said_what_the_model_answers_and_what_it_leaves_to_people(
    table: list[dict[str, Any]], guardrails: dict[str, Any], says: str
) -> None:
    assert abstaining(table, Guardrails.model_validate(guardrails)).says == says


def test_a_model_that_knows_when_it_guesses_answers_what_it_knows_by_default() -> None:
    draw = np.random.default_rng(3)
    confidence = np.concatenate([draw.uniform(0.9, 1.0, 800), draw.uniform(0.5, 0.6, 200)])
    right = np.concatenate([draw.random(800) < 0.99, draw.random(200) < 0.5])
    outputs = LabelOutputs(["a", "b"], ["a"] * 1000, ["a" if one else "b" for one in right], confidence)
    found = calibration(outputs, Evaluation())
    assert found
    below = abstaining(found["selective"], Guardrails()).below
    answered = confidence >= below
    assert abstaining(found["selective"], Guardrails()).answered == answered.mean()
    assert 0.75 <= answered.mean() <= 0.95
    assert right[answered].mean() >= 0.95 > right.mean()
