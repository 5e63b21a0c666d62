"""What guardrails change: the same records asked with and without them.

Each record is asked once before time is taken, so that neither way finds more of it in the engine's memory than the
other, and then both ways, each first in every other record. The seconds are those of whole requests."""

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import mean, median
from time import perf_counter
from typing import Any

import numpy as np

from ft_platform.evaluation.json_answers import field_counts
from ft_platform.evaluation.metrics.chrf import chrf
from ft_platform.evaluation.proportions import share
from ft_platform.serving.causes import Asked, Golden
from ft_platform.serving.parity import CONFIDENCE, Ask
from ft_platform.use_case.schema import Task

METRICS: dict[str, Callable[[str, str], float]] = {
    "accuracy": lambda expected, answer: float(expected == answer),
    "right_fields": lambda expected, answer: _right_fields(expected, answer),
    "chrf": chrf,
}
"""Expected and given answer -> quality of one answer; an answer that was withheld has that of an empty one."""


def effect(with_guardrails: Ask, without: Ask, golden: Sequence[Golden], task: Task) -> dict[str, Any]:
    """Asks every record both ways.

    Args:
        golden: of `parity.golden_set`.

    Returns:
        `{"records", "decisions_equal", "abstained": {"value", "low", "high"}, "metric", "quality": {"with", "without",
        "with_where_answered"}, "acted": {guardrail: records}, "added_seconds": {"median", "p95"}}`. A label on which
        the model abstains, and an answer that was withheld, count as abstained; in `quality` `with` they count as
        wrong; `with_where_answered` is None where nothing is answered.
    """
    metric = "accuracy" if task.kind == "classification" else "right_fields" if task.answer_format == "json" else "chrf"
    quality = METRICS[metric]
    acted: Counter[str] = Counter()
    equal = 0
    seconds, guarded, plain, answered = [], [], [], []
    for number, one in enumerate(golden):
        without(one.messages)
        ways = (with_guardrails, without) if number % 2 else (without, with_guardrails)
        said, took = {}, {}
        for way in ways:
            started = perf_counter()
            said[way] = way(one.messages)
            took[way] = perf_counter() - started
        seconds.append(took[with_guardrails] - took[without])
        decided = _decision(said[with_guardrails])
        acted.update(said[with_guardrails].guardrails)
        equal += decided == said[without].answer
        guarded.append(quality(one.expected, decided or ""))
        plain.append(quality(one.expected, said[without].answer))
        answered.append(decided is not None)
    told = [value for value, is_answered in zip(guarded, answered, strict=True) if is_answered]
    return {
        "records": len(golden),
        "decisions_equal": share(equal, len(golden), CONFIDENCE),
        "abstained": share(answered.count(False), len(golden), CONFIDENCE),
        "metric": metric,
        "quality": {"with": mean(guarded), "without": mean(plain), "with_where_answered": mean(told) if told else None},
        "acted": dict(acted),
        "added_seconds": {"median": median(seconds), "p95": float(np.quantile(seconds, 0.95))},
    }


def _decision(said: Asked) -> str | None:
    """The answer; None where the model abstains or the answer was withheld."""
    return said.answer if said.is_answered else None


def _right_fields(expected: str, answer: str) -> float:
    """F1 of the fields of one answer in JSON."""
    right, stated, wanted = field_counts(expected, answer)
    return 2 * right / (stated + wanted) if stated + wanted else 1.0
