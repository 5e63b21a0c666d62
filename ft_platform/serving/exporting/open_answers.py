"""Whether an exported model gives the open answers of its checkpoint: as distributions, not letter by letter.

A whole greedy answer is no measure: where two tokens are nearly as likely, the rounding of one weight decides, and all
that follows is another text. Three things are measured instead.

Divergence: the checkpoint draws an answer to every record (temperature 1), and both models say how likely it is. The
mean of `max(0, 1 - q / p)` over answers drawn from p is the total variation distance of p and q, the share of whole
answers that would come out otherwise (Levin, Peres, Wilmer, Markov Chains and Mixing Times, section 4.1). No score
between 0 and 1 can change by more than that distance on average. So it may be as large as what an evaluation of so many
records cannot see: half of the widest interval of a share.

Perplexity: of the reference answers, paired by record. The whole interval of the ratio must lie within the interval
that the evaluation gives the checkpoint's perplexity.

First difference: where another token becomes the likeliest, the checkpoint's two likeliest must have been so close that
the differences of log-probabilities seen in these answers explain it: a lead of L takes a difference of L / 2.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft_platform.evaluation.evaluate import REFERENCE_TOKENS, Evaluator
from ft_platform.evaluation.intervals import Figure, interval, resampled_sums
from ft_platform.evaluation.proportions import share
from ft_platform.evaluation.systems.generation import Reading, answer_readings, continuations
from ft_platform.process import progress
from ft_platform.serving.exporting.equivalence import LARGEST_DIFFERENCE


@dataclass(frozen=True)
class Readings:
    """How a model reads answers to the test records, one of each kind per record.

    Attributes:
        references: the reference answers.
        drawn: answers that the checkpoint drew.
    """

    references: list[Reading]
    drawn: list[Reading]


def drawn_answers(evaluator: Evaluator) -> list[list[int]]:
    """One answer per test record as token ids, drawn from all that the model may say, with its end where it ended."""
    prompts, settings, stop = evaluator.records.prompts, evaluator.settings, evaluator.renderer.end_of_turn[-1]

    def tick(done: int) -> None:
        progress.report("export", done, len(prompts), "answers drawn", model="checkpoint")

    most = settings.max_new_tokens
    found = continuations(evaluator.model, prompts, stop, most, seed=settings.seed, on_rows=tick, top_k=0)
    return [[*ids, stop] if len(ids) < most else ids for ids in found]


def readings_of(evaluator: Evaluator, drawn: list[list[int]], what: str) -> Readings:
    """Asks the model of an evaluator.

    Args:
        what: the word for it in the progress.
    """
    prompts = evaluator.records.prompts
    references = [ids[:REFERENCE_TOKENS] for ids in evaluator.records.references]

    def tick(done: int) -> None:
        progress.report("export", done, 2 * len(prompts), "answers read", model=what)

    told = answer_readings(evaluator.model, prompts, references, tick)
    return Readings(told, answer_readings(evaluator.model, prompts, drawn, lambda done: tick(len(prompts) + done)))


def compared_answers(
    checkpoint: Readings, exported: Readings, form: str, evaluator: Evaluator, evaluated: int
) -> dict[str, Any]:
    """The evidence.

    Args:
        form: dtype or quantization of the exported weights.
        evaluated: how many records the evaluation asks; the comparison may have asked fewer.

    Returns:
        As `equivalence.compared`, with `divergence` and `most_divergence`, `perplexity` of both with their `ratio`, and
        `first_difference` in place of `equal_decisions`.
    """
    settings = evaluator.settings
    divergence = _divergence(checkpoint.drawn, exported.drawn, settings.confidence)
    most = share(evaluated / 2, evaluated, settings.confidence)["high"] - 0.5
    surprise = _perplexity(checkpoint.references, exported.references, evaluator)
    before, ratio = surprise["checkpoint"], surprise["ratio"]
    differences = _first_difference(checkpoint.references, exported.references)
    largest = differences["largest_logprob_difference"]
    problems = []
    if not divergence["value"] <= most:
        problems.append(
            f"{100 * divergence['value']:.1f} % of its answers come out otherwise, and an evaluation of {evaluated}"
            f" records would notice {100 * most:.1f} %"
        )
    if not largest <= LARGEST_DIFFERENCE.get(form, math.inf) or not math.isfinite(largest):
        problems.append(f"a log-probability differs by {largest:.3g}")
    if not before["low"] / before["value"] <= ratio["low"] <= ratio["high"] <= before["high"] / before["value"]:
        told = f"{surprise['export']['value']:.4g}, not within {before['low']:.4g} to {before['high']:.4g}"
        problems.append(f"perplexity {told} of the checkpoint")
    if not differences["largest_lead"] <= 2 * largest:
        problems.append(
            f"another token is the likeliest where the checkpoint's was ahead by {differences['largest_lead']:.3g},"
            f" which differences of up to {largest:.3g} do not explain"
        )
    shown = divergence["high"] <= most
    return {
        "status": "different" if problems else "equal" if shown else "too_few_records",
        "ok": not problems,
        "problems": problems,
        "records": len(checkpoint.drawn),
        "records_evaluated": evaluated,
        "divergence": divergence,
        "most_divergence": most,
        "perplexity": surprise,
        "max_logprob_difference": largest,
        "first_difference": differences,
        "decision": "distribution of answers",
        "arithmetic": "float32",
    }


def _divergence(checkpoint: list[Reading], exported: list[Reading], confidence: float) -> Figure:
    """Total variation distance of the two distributions of whole answers, in [0, 1]. The interval is Wilson's for a
    share, which is wider than that of a mean of values between 0 and 1."""
    pairs = [(_total(p), _total(q)) for p, q in zip(checkpoint, exported, strict=True)]
    lost = [-math.expm1(min(0.0, q - p)) if math.isfinite(q) else 1.0 for p, q in pairs]
    return share(sum(lost), len(lost), confidence)


def _perplexity(checkpoint: list[Reading], exported: list[Reading], evaluator: Evaluator) -> dict[str, Figure]:
    """Perplexity per token of the reference answers by both models and their ratio, from the same resamples."""
    losses = [[-_total(one) for one in readings] for readings in (checkpoint, exported)]
    tokens = [len(one.logprobs) for one in checkpoint]
    statistics = np.array([*losses, tokens]).T
    settings = evaluator.settings
    total, sums = statistics.sum(axis=0), resampled_sums(statistics, settings.bootstrap_samples, settings.seed)

    def figure(losses_of: Any) -> Figure:
        value, drawn = float(np.exp(losses_of(total[None])[0])), np.exp(losses_of(sums))
        return interval(value, drawn, settings.confidence)

    return {
        "checkpoint": figure(lambda of: of[:, 0] / of[:, 2]),
        "export": figure(lambda of: of[:, 1] / of[:, 2]),
        "ratio": figure(lambda of: (of[:, 1] - of[:, 0]) / of[:, 2]),
    }


def _first_difference(checkpoint: list[Reading], exported: list[Reading]) -> dict[str, Any]:
    """Where another token is the likeliest, along the reference answers.

    Returns:
        `places` in all answers and at how many the likeliest token is the `same`; `answers_without` a difference;
        `median_token` of the first one in the others (None: there is none); `largest_lead` of the checkpoint's
        likeliest token at a difference, and the `largest_logprob_difference` of a reference token, in nats.
    """
    other = [p.likeliest != q.likeliest for p, q in zip(checkpoint, exported, strict=True)]
    firsts = [int(np.flatnonzero(one)[0]) for one in other if one.any()]
    leads = [float(p.leads[one].max()) for p, one in zip(checkpoint, other, strict=True) if one.any()]
    gaps = [np.abs(p.logprobs - q.logprobs).max() for p, q in zip(checkpoint, exported, strict=True)]
    places = sum(len(one) for one in other)
    return {
        "places": places,
        "same": places - int(sum(one.sum() for one in other)),
        "answers_without": len(other) - len(firsts),
        "median_token": int(np.median(firsts)) if firsts else None,
        "largest_lead": max(leads, default=0.0),
        "largest_logprob_difference": float(np.max(gaps)),
    }


def _total(reading: Reading) -> float:
    """Log-probability of the whole answer."""
    return float(reading.logprobs.astype(np.float64).sum())
