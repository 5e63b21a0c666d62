"""The scores of an evaluation as a short Markdown table, for the metadata of an asset."""

from collections.abc import Mapping, Sequence
from typing import Any

from ft_platform.evaluation.metric import Metric, metric
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems import TITLES
from ft_platform.reporting.figure import short
from ft_platform.reporting.html import number
from ft_platform.reporting.verdict import best_system, best_system_sentence

INLINE_CHARACTERS = 1000
"""Dagster's UI (1.13.27) shows Markdown metadata inline below this length, and a button above."""


def score_table_markdown(evaluation: Mapping[str, Any], confidence: float) -> str:
    """The best system in one sentence, then every system with value and interval, the fine-tuned model first.

    Shorter than `INLINE_CHARACTERS`: where all figures are longer, the last metrics are left out, then the worst
    systems.

    Args:
        evaluation: what `metrics.json` of `base_evaluation` or `evaluation_report` holds.
        confidence: of its intervals.
    """
    systems = evaluation["systems"]
    metrics = [
        metric(name) for name in next(iter(systems.values())) if all(name in found for found in systems.values())
    ]
    sentence = f"**{best_system_sentence(evaluation, metrics[0], confidence)}**"
    shapes = [(columns, len(systems)) for columns in range(len(metrics), 0, -1)] + [
        (1, rows) for rows in range(len(systems) - 1, 0, -1)
    ]
    texts = (f"{sentence}\n\n{_table(systems, metrics[:columns], rows)}" for columns, rows in shapes)
    return next((text for text in texts if len(text) < INLINE_CHARACTERS), sentence)


def _table(systems: Mapping[str, Mapping[str, Mapping[str, float]]], metrics: Sequence[Metric], rows: int) -> str:
    main = metrics[0]
    best_first = sorted(systems, key=lambda name: systems[name][main.name]["value"], reverse=main.higher_is_better)
    shown = sorted(best_first, key=lambda name: name != FINE_TUNED)[:rows]
    best = {m.name: best_system(systems, m) for m in metrics}
    heads = [m.title + ("" if m.higher_is_better else " (lower is better)") for m in metrics]
    lines = [["system", *heads], ["---", *("---:" for _ in metrics)]]
    lines += [
        [TITLES.get(name, short(name)), *(_cell(systems[name][m.name], best[m.name] == name) for m in metrics)]
        for name in shown
    ]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return (
        text if len(shown) == len(systems) else f"{text}\n\n{len(systems) - len(shown)} more systems are in the report."
    )


def _cell(found: Mapping[str, float], best: bool) -> str:
    value = f"**{number(found['value'])}**" if best else number(found["value"])
    return f"{value} ({number(found['low'])} to {number(found['high'])})"
