"""Whether two systems differ on the same test records, and which difference a test split of this size can show at
all."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ft_platform.evaluation.intervals import Figure, interval, resampled_sums
from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import LabelOutputs, Outputs
from ft_platform.use_case.settings.evaluation import Evaluation

POWER = 0.8
"""Share of test splits of this size in which the detectable difference would be found: the customary value (Cohen,
1988)."""


def paired_difference(metric: Metric, a: Outputs, b: Outputs, settings: Evaluation) -> Figure:
    """Score of `a` minus score of `b` on the same records: `{"value", "low", "high", "p", "detectable"}`.

    Both are resampled together: two systems mostly fail on the same hard records, so their difference is known better
    than the two intervals side by side suggest. `p` is the two-sided probability of a difference at least as far from
    0, by the share of resamples on the other side of 0 (Efron and Tibshirani, 1993, ch. 15). `detectable` is the
    smallest difference that would be found in 4 of 5 test splits of this size (Card et al., With Little Power Comes
    Great Responsibility, EMNLP 2020)."""
    first, second = metric.statistics(a), metric.statistics(b)
    width = first.shape[1]
    both = resampled_sums(np.concatenate([first, second], axis=1), settings.bootstrap_samples, settings.seed)
    draws = metric.score(both[:, :width]) - metric.score(both[:, width:])
    value = float(metric.score(first.sum(axis=0)) - metric.score(second.sum(axis=0)))
    return {
        **interval(value, draws, settings.confidence),
        "p": two_sided(draws),
        "detectable": detectable(float(np.std(draws)), settings.confidence),
    }


def two_sided(draws: np.ndarray) -> float:
    """Twice the share of resampled differences on the smaller side of 0, at most 1; never 0, because resamples are
    finite."""
    smaller = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    return min(1.0, 2 * (smaller + 1) / (len(draws) + 1))


def detectable(standard_error: float, confidence: float) -> float:
    """Smallest true difference that an interval of this confidence tells from 0 with probability `POWER`."""
    from scipy.stats import norm

    return float((norm.ppf((1 + confidence) / 2) + norm.ppf(POWER)) * standard_error)


def mcnemar(a: LabelOutputs, b: LabelOutputs) -> dict[str, float | int]:
    """McNemar's exact test: of the records that one of two systems gets right, does one get more than a coin would
    give?

    Returns:
        `{"only_first", "only_second", "p"}`: records that only `a`, and only `b`, gets right; the two-sided probability
        under equal accuracy (McNemar, 1947; exact binomial form), 1 where there is no such record.
    """
    from scipy.stats import binomtest

    first, second = (np.equal(*found.codes()) for found in (a, b))
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    p = binomtest(only_first, only_first + only_second).pvalue if only_first + only_second else 1.0
    return {"only_first": only_first, "only_second": only_second, "p": float(p)}


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Probabilities corrected for how many comparisons there are (Holm, A simple sequentially rejective multiple test
    procedure, 1979)."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for place, name in enumerate(sorted(p, key=lambda name: (p[name], name))):
        largest = max(largest, min(1.0, (len(p) - place) * p[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p}


def tests(
    outputs: Mapping[str, Outputs], differences: Mapping[str, Mapping[str, Figure]], first: str, main: Metric
) -> dict[str, dict[str, Any]]:
    """For each compared system the test of the main metric, corrected for all of them, and McNemar's test where outputs
    are labels.

    Args:
        differences: system -> metric -> `paired_difference`, of `first` minus system.

    Returns:
        `{system: {"metric", "p", "p_corrected", "mcnemar": {...} or None}}`.
    """
    p = {system: found[main.name]["p"] for system, found in differences.items()}
    corrected = holm(p)
    tuned = outputs.get(first)
    result: dict[str, dict[str, Any]] = {}
    for system in differences:
        other = outputs[system]
        pairs = isinstance(tuned, LabelOutputs) and isinstance(other, LabelOutputs)
        found = mcnemar(tuned, other) if pairs else None  # type: ignore[arg-type]
        result[system] = {"metric": main.name, "p": p[system], "p_corrected": corrected[system], "mcnemar": found}
    return result
