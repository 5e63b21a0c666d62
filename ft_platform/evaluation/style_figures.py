"""Which rules of `task.style` answers keep, one by one, and how often which phrase is used."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from ft_platform.evaluation.groundedness import REFERENCE
from ft_platform.evaluation.intervals import Figure, interval, resampled_sums
from ft_platform.evaluation.metrics.style import rules_kept, used
from ft_platform.evaluation.outputs import Outputs, TextOutputs
from ft_platform.use_case.settings.answer_style import Style
from ft_platform.use_case.settings.evaluation import Evaluation


def style_figures(
    outputs: Mapping[str, Outputs], references: list[str], style: Style, settings: Evaluation
) -> dict[str, Any]:
    """Every system's answers, and under `reference` those that people wrote, by rule.

    Returns:
        `{"systems": {system: {rule: {"value", "low", "high"}}}, "phrases": {phrase: {system: answers}}, "rubric"}`:
        shares of answers that keep a rule; of the forbidden phrases those that any answer contains, and in how many. No
        words of an answer.
    """
    answers = {REFERENCE: references, **{s: o.answers for s, o in outputs.items() if isinstance(o, TextOutputs)}}
    counts = {s: Counter(p for answer in texts for p in used(style.forbidden, answer)) for s, texts in answers.items()}
    phrases = {p: {s: count[p] for s, count in counts.items()} for p in style.forbidden}
    return {
        "systems": {system: _shares(texts, style, settings) for system, texts in answers.items()},
        "phrases": {phrase: found for phrase, found in phrases.items() if any(found.values())},
        "rubric": style.rubric.strip(),
    }


def _shares(answers: list[str], style: Style, settings: Evaluation) -> dict[str, Figure]:
    kept = [rules_kept(style, answer) for answer in answers]
    found = {}
    for rule in kept[0]:
        one = np.array([[answer[rule]] for answer in kept], float)
        draws = resampled_sums(one, settings.bootstrap_samples, settings.seed)[:, 0] / len(one)
        found[rule] = interval(float(one.mean()), draws, settings.confidence)
    return found
