"""What a fine-tuned model has forgotten: base model, champion and fine-tuned model on the same suites, compared by
non-inferiority.

Each suite gives two numbers per item that add up, and a score made from their sums, as a metric does. All models get
the same prompts, without the instruction of the use case. Covered: fluency on general text, simple knowledge, simple
instructions, tasks of lm-evaluation-harness. Not covered: abilities that no suite asks for.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ft_platform.evaluation.intervals import Figure, interval, resampled_sums
from ft_platform.evaluation.suites import ChoiceItem, InstructionItem
from ft_platform.evaluation.systems.generation import answer_losses, generate
from ft_platform.evaluation.systems.label_scoring import choice_scores
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.use_case.settings.regression import Regression

PASSAGE_TOKENS = 512
"""A passage is read up to this many tokens."""
ANSWER_TOKENS = 16
"""Longest answer to an instruction; one word or a short sentence is asked for."""

Status = Literal["within_margin", "beyond_margin", "not_enough_evidence", "not_a_number"]
OnItems = Callable[[int], None]


@dataclass(frozen=True)
class SuiteResult:
    """A model on a suite.

    Attributes:
        metric: name of the score.
        higher_is_better: direction.
        statistics: two numbers per item; the score is sum of the first by sum of the second. Shape `(items, 2)`.
    """

    metric: str
    higher_is_better: bool
    statistics: np.ndarray


def _score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def general_text(
    model: Any, renderer: Renderer, texts: list[str], on_items: OnItems = lambda done: None
) -> SuiteResult:
    """Negative log-probability of plain text per token, in nats; exp of it is the perplexity. The first token of a
    passage is given."""
    rows = [ids for text in texts if len(ids := renderer.text.content(text, PASSAGE_TOKENS)) > 1]
    losses, tokens = answer_losses(model, [ids[:1] for ids in rows], [ids[1:] for ids in rows], on_items)
    return SuiteResult("log_perplexity", False, np.stack([losses, tokens], axis=1).astype(float))


def multiple_choice(
    model: Any, renderer: Renderer, items: list[ChoiceItem], on_items: OnItems = lambda done: None
) -> SuiteResult:
    """Share of questions whose right option is the most probable answer. A tie is no hit."""
    prompts = [renderer.prompt_ids([{"role": "user", "content": item.question}]) for item in items]
    # Without the end of turn: models differ in how they like to go on after a short answer.
    options = [[renderer.text.content(option) for option in item.options] for item in items]
    right = np.zeros(len(items))
    for place, scores in enumerate(choice_scores(model, prompts, options, on_items)):
        own, of_right = scores.numpy(), scores[items[place].right]
        others = np.delete(own, items[place].right)
        # A loss that is no number makes the item none, so that it cannot count as a plain miss.
        right[place] = np.nan if np.isnan(own).any() else float(of_right > others.max())
    return SuiteResult("accuracy", True, np.stack([right, np.ones(len(items))], axis=1))


def instructions(
    model: Any, tokenizer: Any, renderer: Renderer, items: list[InstructionItem], on_items: OnItems = lambda done: None
) -> SuiteResult:
    """Share of instructions whose answer holds an accepted word."""
    prompts = [renderer.prompt_ids([{"role": "user", "content": item.instruction}]) for item in items]
    answers = generate(model, tokenizer, prompts, renderer.end_of_turn, ANSWER_TOKENS, on_items)
    followed = [float(item.followed_by(answer)) for item, answer in zip(items, answers, strict=True)]
    return SuiteResult("followed", True, np.stack([followed, np.ones(len(items))], axis=1))


def compare(
    settings: Regression,
    base: Mapping[str, SuiteResult],
    tuned: Mapping[str, SuiteResult],
    champion: Mapping[str, SuiteResult] | None,
) -> dict[str, Any]:
    """Every suite with its verdict.

    Args:
        base, tuned, champion: suite -> result, all on the same items; `champion` None where there is none.

    Returns:
        `{"suites": {suite: {"metric", "higher_is_better", "items", "base", "tuned", "champion", "difference", "margin",
        "non_inferior", "status", "difference_to_champion", "non_inferior_to_champion"}}, "passed"}`. Differences are
        fine-tuned minus the other. A figure that is no number is None.
        `passed`: on no suite is the fine-tuned model possibly worse by the margin or more, than the base model or than
            the champion.
    """
    suites = {}
    for name, result in tuned.items():
        margin = settings.margin(name)
        difference = _difference(settings, result, base[name])
        status = judged(difference, margin, higher_is_better=result.higher_is_better)
        against = champion[name] if champion is not None else None
        to_champion = _difference(settings, result, against) if against is not None else None
        kept = (
            None
            if against is None
            else judged(to_champion, margin, higher_is_better=result.higher_is_better) == "within_margin"
        )
        suites[name] = {
            "metric": result.metric,
            "higher_is_better": result.higher_is_better,
            "items": len(result.statistics),
            "base": _figure(settings, base[name]),
            "tuned": _figure(settings, result),
            "champion": _figure(settings, against) if against is not None else None,
            "difference": difference,
            "margin": margin,
            "non_inferior": status == "within_margin",
            "status": status,
            "difference_to_champion": to_champion,
            "non_inferior_to_champion": kept,
        }
    passed = bool(suites) and all(
        one["non_inferior"] and one["non_inferior_to_champion"] is not False for one in suites.values()
    )
    return {"suites": suites, "passed": passed}


def nothing_to_ask(settings: Regression) -> dict[str, Any]:
    """What `compare` gives for a checkpoint that writes nothing: `passed`, no suites, and `not_applicable`: why."""
    suites = len(settings.suites) + len(settings.harness_tasks)
    these = "1 suite that asks it to write does" if suites == 1 else f"{suites} suites that ask it to write do"
    why = f"This checkpoint scores labels and writes nothing: {these} not apply."
    return {"suites": {}, "passed": True, "not_applicable": why}


def judged(difference: Figure | None, margin: float, *, higher_is_better: bool) -> Status:
    """Non-inferiority: the whole interval must lie on the good side of the margin (Piaggio et al., CONSORT extension,
    JAMA 2012).

    Returns:
        `beyond_margin` if the difference itself is, `not_enough_evidence` if only its interval reaches the margin.
    """
    if difference is None:
        return "not_a_number"
    sign = -1 if higher_is_better else 1
    if sign * difference["value"] >= margin:
        return "beyond_margin"
    worst = max(sign * difference["low"], sign * difference["high"])
    return "within_margin" if worst < margin else "not_enough_evidence"


def _figure(settings: Regression, result: SuiteResult) -> Figure | None:
    if not np.isfinite(result.statistics).all():
        return None
    draws = _score(resampled_sums(result.statistics, settings.bootstrap_samples, settings.seed))
    return _finite(interval(float(_score(result.statistics.sum(axis=0))), draws, settings.confidence))


def _difference(settings: Regression, tuned: SuiteResult, other: SuiteResult) -> Figure | None:
    """Score of the fine-tuned model minus that of another one; both are resampled together."""
    both = np.concatenate([tuned.statistics, other.statistics], axis=1)
    if not np.isfinite(both).all():
        return None
    draws = resampled_sums(both, settings.bootstrap_samples, settings.seed)
    value = float(_score(tuned.statistics.sum(axis=0)) - _score(other.statistics.sum(axis=0)))
    return _finite(interval(value, _score(draws[:, :2]) - _score(draws[:, 2:]), settings.confidence))


def _finite(found: Figure) -> Figure | None:
    return found if all(math.isfinite(value) for value in found.values()) else None
