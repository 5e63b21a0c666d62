"""What the figures of an evaluation say in words: who wins, by how much, and what this test split cannot tell."""

from collections.abc import Mapping
from typing import Any

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.systems import TITLES
from ft_platform.reporting.html import number, percent
from ft_platform.use_case import Evaluation

FEW_TEST_RECORDS = 10
"""Labels with fewer test records are named as uncertain: with 9 records one more hit moves recall by 0.11."""


def verdicts(figures: Mapping[str, Any], main: Metric) -> list[dict[str, Any]]:
    """`[{"good": bool, "text": sentence}]`: the best system, then the fine-tuned model against each other one."""
    values = {system: found[main.name] for system, found in figures["systems"].items()}
    best = max(values, key=lambda system: values[system]["value"] if main.higher_is_better else -values[system]["value"])
    sentences = [{"good": best == "fine_tuned", "text": f"{TITLES.get(best, best)} has the best {main.title}: {_with_interval(values[best])}."}]
    if best != "fine_tuned":
        sentences[0]["text"] += f" The fine-tuned model has {_with_interval(values['fine_tuned'])}."
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
    found = figures["systems"]["fine_tuned"][main.name]
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
    rare = [label for label, row in figures["per_class"].get("fine_tuned", {}).items() if row["support"] < FEW_TEST_RECORDS]
    if rare:
        sentences.append(f"Figures of these labels rest on fewer than {FEW_TEST_RECORDS} test records each: {', '.join(rare)}.")
    return sentences


def _with_interval(found: Mapping[str, float]) -> str:
    return f"{number(found['value'])} ({number(found['low'])} to {number(found['high'])})"


def _signed(found: Mapping[str, float]) -> str:
    return f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"
