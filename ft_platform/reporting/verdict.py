"""What the figures of an evaluation say in words: who wins, by how much, and what this test split cannot tell."""

from collections.abc import Mapping
from typing import Any

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems import TITLES
from ft_platform.reporting.figure import short
from ft_platform.reporting.html import number, percent
from ft_platform.use_case import Evaluation

FEW_TEST_RECORDS = 10
"""Labels with fewer test records are named as uncertain: with 9 records one more hit moves recall by 0.11."""


def best_system(systems: Mapping[str, Mapping[str, Mapping[str, float]]], metric: Metric) -> str:
    """The system with the best value of a metric; the first of equal ones."""
    return max(systems, key=lambda system: systems[system][metric.name]["value"] * (1 if metric.higher_is_better else -1))


def best_system_sentence(systems: Mapping[str, Mapping[str, Mapping[str, float]]], metric: Metric) -> str:
    """Which system has the best value of a metric, and that value with its interval."""
    best = best_system(systems, metric)
    return f"{TITLES.get(best, short(best))} has the best {metric.title}: {_with_interval(systems[best][metric.name])}."


def verdicts(figures: Mapping[str, Any], main: Metric) -> list[dict[str, Any]]:
    """`[{"good": bool, "text": sentence}]`: the best system, then the fine-tuned model against each other one."""
    systems = figures["systems"]
    best = best_system(systems, main)
    sentences = [{"good": best == FINE_TUNED, "text": best_system_sentence(systems, main)}]
    if best != FINE_TUNED:
        sentences[0]["text"] += f" The fine-tuned model has {_with_interval(systems[FINE_TUNED][main.name])}."
    for system, difference in figures["differences"].items():
        found = difference[main.name]
        judged = compared(found, main)
        sentences.append(
            {
                "good": judged == "better",
                "text": f"Against {TITLES.get(system, system)} the fine-tuned model is {_WORDS[judged]}: {main.title} {_signed(found)}.",
            }
        )
    return sentences


_WORDS = {"better": "better", "worse": "worse", "not_distinguishable": "not distinguishable on this test split"}


def compared(difference: Mapping[str, float], metric: Metric) -> str:
    """`better`, `worse` or `not_distinguishable`: whether the interval of a difference lies on one side of 0."""
    if difference["low"] <= 0 <= difference["high"]:
        return "not_distinguishable"
    return "better" if (difference["value"] > 0) == metric.higher_is_better else "worse"


def limits(figures: Mapping[str, Any], main: Metric, settings: Evaluation, example_tokens: int) -> list[str]:
    """Sentences about what the figures do not show."""
    found = figures["systems"][FINE_TUNED][main.name]
    width = found["high"] - found["low"]
    rows = figures["test_rows"]
    sentences = [
        f"The test split has {rows:,} records. The {percent(settings.confidence)} interval of the fine-tuned model's {main.title} is {number(width)} wide: "
        f"another test split of this size could as well have given a value anywhere in it.",
        "Intervals cover the choice of test records, not the seed of training: one training run was evaluated.",
        f"User texts are shortened so that a prompt has at most {settings.max_prompt_tokens:,} tokens, the same for every system. "
        f"Each of the {settings.few_shot_examples} few-shot examples ({settings.few_shot_selection}, from the training split) shows at most "
        f"{example_tokens} tokens of its text.",
    ]
    rare = [label for label, row in figures["per_class"].get(FINE_TUNED, {}).items() if row["support"] < FEW_TEST_RECORDS]
    if rare:
        sentences.append(f"Figures of these labels rest on fewer than {FEW_TEST_RECORDS} test records each: {', '.join(rare)}.")
    return sentences


def _with_interval(found: Mapping[str, float]) -> str:
    return f"{number(found['value'])} ({number(found['low'])} to {number(found['high'])})"


def _signed(found: Mapping[str, float]) -> str:
    return f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"
