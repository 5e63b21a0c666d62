"""What counts as the same model."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ft_platform.serving.exporting.equivalence import Answers, compared, records_needed

EVALUATOR: Any = SimpleNamespace(
    settings=SimpleNamespace(bootstrap_samples=400, seed=0, confidence=0.95), classification=True
)


def answers(rows: int, wrong: int = 0, shift: float = 0.0, losses: float = 1.0) -> Answers:
    """Two labels; the first `wrong` decisions are the other one."""
    told = np.linspace(0.5, 1.5, rows) * losses
    scores = np.stack([-told, np.full(rows, -3.0)], axis=1) + shift
    return Answers(["card" if row < wrong else "loan" for row in range(rows)], scores, told, np.full(rows, 2))


@pytest.mark.parametrize(
    ("rows", "exported", "form", "status", "why"),
    [
        (4000, {}, "float32", "equal", ""),
        (4000, {"wrong": 4}, "bfloat16", "too_few_records", ""),  # 99.9 %, but the interval goes down to 99.74 %
        (4000, {"wrong": 5}, "bfloat16", "different", "5 of 4000 decisions"),
        (150, {}, "bfloat16", "too_few_records", ""),
        (150, {"wrong": 1}, "bfloat16", "different", "1 of 150 decisions"),
        (150, {"shift": 0.02}, "float32", "different", "log-probability differs by 0.02"),
        (150, {"shift": 0.02}, "bfloat16", "too_few_records", ""),
        (150, {"losses": 1.2}, "bfloat16", "different", "perplexity"),
        (150, {"losses": 0.8}, "bfloat16", "different", "perplexity"),
        (150, {"shift": math.nan}, "q8_0", "different", "differs by inf"),
    ],
)
def test_the_verdict(rows, exported, form, status, why):
    found = compared(answers(rows), answers(rows, **exported), form, EVALUATOR)
    assert found["status"] == status and found["ok"] == (status != "different")
    assert why in "; ".join(found["problems"])


def test_so_many_records_show_it():
    """Wilson's lower end for n of n is n / (n + z^2): 0.999 from 999 z^2 = 999 * 1.95996^2 = 3837.6 on."""
    assert records_needed(0.95) == 3838
