"""What counts as the same model where answers are open."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ft_platform.evaluation.systems.generation import Reading
from ft_platform.serving.exporting.open_answers import Readings, compared_answers

EVALUATOR: Any = SimpleNamespace(settings=SimpleNamespace(bootstrap_samples=400, seed=0, confidence=0.95))
TOKENS = 20


def readings(rows: int, shift: Any = 0.0, other: int = 0, lead: float = 0.001, drawn_shift: Any = 0.0) -> Readings:
    """Answers of 20 tokens; `other` of them have another likeliest token at the tenth place."""

    def reading(row: int, by: Any) -> Reading:
        amount = np.broadcast_to(by, (rows,))[row]
        logprobs = np.linspace(-3, -1, TOKENS) - 0.5 * row / rows + amount / TOKENS
        likeliest, leads = np.arange(TOKENS), np.full(TOKENS, 2.0)
        leads[10] = lead
        if row < other:
            likeliest[10] = 99
        return Reading(logprobs, likeliest, leads)

    return Readings([reading(row, shift) for row in range(rows)], [reading(row, drawn_shift) for row in range(rows)])


NOISE = np.random.default_rng(0).normal(0, 1, 200)


@pytest.mark.parametrize(
    ("rows", "exported", "form", "status", "why"),
    [
        (200, {}, "float32", "equal", ""),
        # Half of the 200 greedy answers would be others from a tie on, and nothing is lost.
        (200, {"other": 100, "shift": 0.04 * NOISE}, "f16", "equal", ""),
        (200, {"other": 100, "shift": 0.04 * NOISE}, "float32", "equal", ""),
        # The same where the checkpoint was sure.
        (200, {"other": 1, "lead": 1.0, "shift": 0.04 * NOISE}, "f16", "different", "ahead by 1,"),
        (200, {"shift": 0.5 * NOISE}, "float32", "different", "a log-probability differs by 0.0"),
        # E max(0, 1 - exp(X)) of X ~ N(0, 0.3^2) is about 0.3 / sqrt(2 pi) = 0.12; 200 records see 0.069.
        (200, {"drawn_shift": 0.3 * NOISE}, "q8_0", "different", "% of its answers come out otherwise"),
        (200, {"drawn_shift": 0.05 * NOISE}, "q8_0", "equal", ""),
        (200, {"shift": -6.0}, "q8_0", "different", "perplexity"),
        (200, {"shift": 6.0}, "q8_0", "different", "perplexity"),
        (20, {}, "f16", "too_few_records", ""),
        (200, {"drawn_shift": math.nan, "shift": math.nan}, "q8_0", "different", "differs by"),
    ],
)
def test_the_verdict(rows, exported, form, status, why):
    lead = {"lead": exported["lead"]} if "lead" in exported else {}
    found = compared_answers(readings(rows, **lead), readings(rows, **exported), form, EVALUATOR, 200)
    assert found["status"] == status, found["problems"]
    assert found["ok"] == (status != "different")
    assert why in "; ".join(found["problems"])


def test_the_divergence_is_the_total_variation_distance():
    """Two distributions over three answers: half of |0.5 - 0.3| + |0.3 - 0.3| + |0.2 - 0.4| is 0.2."""
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.3, 0.4])
    drawn = np.repeat([0, 1, 2], [50, 30, 20])  # as often as p draws each

    def asked(by: np.ndarray) -> Readings:
        read = [Reading(np.log(by[[one]]), np.array([0]), np.array([0.0])) for one in drawn]
        return Readings(read, read)

    found = compared_answers(asked(p), asked(q), "q4_0", EVALUATOR, 100)
    assert found["divergence"]["value"] == pytest.approx(0.2)


def test_what_an_evaluation_cannot_see_is_half_of_its_widest_interval():
    """Wilson's interval of 50 of 100 is 0.4038 to 0.5962 (Brown, Cai, DasGupta 2001)."""
    found = compared_answers(readings(100), readings(100), "f16", EVALUATOR, 100)
    assert found["most_divergence"] == pytest.approx(0.0962, abs=1e-4)
