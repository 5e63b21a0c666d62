"""What several trainings of one recipe scored on the same test records: spread over the seeds, and gains with intervals
over seeds and records."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ft_platform.evaluation.intervals import interval, resampled_sums
from ft_platform.evaluation.metric import Metric, main_metric, metric, metrics_of
from ft_platform.evaluation.outputs import Outputs
from ft_platform.evaluation.systems import TITLES
from ft_platform.use_case.settings.evaluation import Evaluation

FEW_SEEDS = 10
"""Below, resampled seeds are few different sets (10 for 3 seeds), and the intervals are coarse."""


def seed_figures(
    tuned: Mapping[int, Outputs], others: Mapping[str, Outputs], task: str, settings: Evaluation
) -> dict[str, Any]:
    """`{"main_metric", "metrics", "differences", "systems", "test_rows", "confidence", "bootstrap_samples"}`.

    `metrics` is metric -> `over_seeds` of the fine-tuned models, with `sd_low` and `sd_high`; `differences` is system
    -> metric -> `over_seeds` of fine-tuned minus system, with `better_for`: how many seeds are better than the system;
    `systems` is system -> metric -> score.

    Args:
        tuned: seed -> outputs, two or more; that of the checkpoint first.
        others: system -> outputs on the same records.
        task: kind of task.
    """
    models = list(tuned.values())
    metrics = [one for one in metrics_of(task) if all(map(one.applies, models))]
    main = main_metric(metrics, [*models, *others.values()])
    differences = {
        system: {one.name: _gain(one, models, outputs, settings) for one in metrics if one.applies(outputs)}
        for system, outputs in others.items()
    }
    return {
        "main_metric": main.name,
        "metrics": {one.name: _spread(one, models, settings) for one in metrics},
        "differences": differences,
        "systems": {
            system: {name: metric(name).value(others[system]) for name in found}
            for system, found in differences.items()
        },
        "test_rows": len(models[0]),
        "confidence": settings.confidence,
        "bootstrap_samples": settings.bootstrap_samples,
    }


def _spread(one: Metric, models: Sequence[Outputs], settings: Evaluation) -> dict[str, Any]:
    found = over_seeds(one, models, None, settings)
    low, high = sd_interval(found["sd"], len(models), settings.confidence)
    return {**found, "sd_low": low, "sd_high": high}


def _gain(one: Metric, models: Sequence[Outputs], other: Outputs, settings: Evaluation) -> dict[str, Any]:
    found = over_seeds(one, models, other, settings)
    better = [gain for gain in found["values"] if (gain > 0 if one.higher_is_better else gain < 0)]
    return {**found, "better_for": len(better)}


def over_seeds(
    metric: Metric, models: Sequence[Outputs], other: Outputs | None, settings: Evaluation
) -> dict[str, Any]:
    """`{"values", "value", "low", "high", "sd", "min", "max"}`: a score, or a score minus that of `other`, of each
    model; mean, its interval, spread.

    The interval is a two-level bootstrap: test records are resampled, the same for all models and for `other`, and so
    are the models (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).
    """
    systems = [*models, *([] if other is None else [other])]
    statistics = [metric.statistics(outputs) for outputs in systems]
    ends = np.cumsum([found.shape[1] for found in statistics])[:-1]
    sums = resampled_sums(np.concatenate(statistics, axis=1), settings.bootstrap_samples, settings.seed)
    draws = _against(
        np.stack([metric.score(part) for part in np.split(sums, ends, axis=1)], axis=1), other
    )  # (samples, models)
    values = _against(np.array([[float(metric.score(found.sum(axis=0))) for found in statistics]]), other)[0]
    span = metric.high - metric.low
    lowest, highest = (metric.low, metric.high) if other is None else (-span, span)
    resampled = np.clip(resampled_means(draws, settings.seed), lowest, highest)  # widened ones may leave the range
    spread = {"sd": float(values.std(ddof=1)), "min": float(values.min()), "max": float(values.max())}
    return {"values": values.tolist(), **interval(float(values.mean()), resampled, settings.confidence), **spread}


def resampled_means(draws: np.ndarray, seed: int) -> np.ndarray:
    """Means of resampled models, one for each resample of the records. Shapes `(samples, models)` -> `(samples,)`.

    The variance of a mean of n resampled values is (n - 1) / n of what n - 1 in the variance's denominator makes
    unbiased: a third too small with 3 models. Distances from the mean over all models are widened by sqrt(n / (n - 1)).
    """
    count = draws.shape[1]
    chosen = np.random.default_rng([seed, count]).integers(count, size=draws.shape)
    mean = draws.mean(axis=1)
    return mean + np.sqrt(count / (count - 1)) * (np.take_along_axis(draws, chosen, axis=1).mean(axis=1) - mean)


def _against(scores: np.ndarray, other: Outputs | None) -> np.ndarray:
    """Scores minus that in the last column, where there is another system. Shapes `(rows, models + 1)` -> `(rows,
    models)`."""
    return scores if other is None else scores[:, :-1] - scores[:, -1:]


def sd_interval(sd: float, count: int, confidence: float) -> tuple[float, float]:
    """Interval of a standard deviation from `count` values of a normal distribution: of 3 values, 0.52 to 6.28 times
    what they show (95 %)."""
    from scipy.stats import chi2

    low, high = chi2.ppf([(1 + confidence) / 2, (1 - confidence) / 2], count - 1)
    return float(sd * np.sqrt((count - 1) / low)), float(sd * np.sqrt((count - 1) / high))


def seed_sentences(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`[{"good": bool, "text": sentence}]`: the spread, then whether the gain over each system holds, then what this
    number of seeds cannot tell."""
    main, count = metric(found["main_metric"]), len(found["seeds"])
    spread = found["metrics"][main.name]
    released = spread["values"][0]
    best = (max if main.higher_is_better else min)(spread["values"])
    lucky = (
        " It is the best of them: expect the mean from another training."
        if released == best and spread["min"] < spread["max"]
        else ""
    )
    sentences = [
        {
            "good": True,
            "text": (
                f"{count} seeds: {main.title} {spread['value']:.3f} ± {spread['sd']:.3f} (mean and standard deviation),"
                f" from {spread['min']:.3f} to {spread['max']:.3f}. The checkpoint, seed {found['seeds'][0]['seed']},"
                f" has {released:.3f}.{lucky}"
            ),
        }
    ]
    for system, differences in found["differences"].items():
        gain = differences[main.name]
        holds = gain["low"] > 0 if main.higher_is_better else gain["high"] < 0
        told = (
            "the interval over seeds and test records excludes 0"
            if gain["low"] > 0 or gain["high"] < 0
            else "the interval includes 0"
        )
        times = (
            f"all {count} seeds" if gain["better_for"] == count else f"{gain['better_for'] or 'none'} of {count} seeds"
        )
        figure = f"{main.title} {gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"
        text = f"Better than {TITLES.get(system, system)} for {times}: {figure} on average; {told}."
        sentences.append({"good": holds and gain["better_for"] == count, "text": text})
    return [*sentences, *({"good": True, "text": text} for text in _limits(found, spread, count))]


def _limits(found: Mapping[str, Any], spread: Mapping[str, Any], count: int) -> list[str]:
    if count >= FEW_SEEDS:
        return []
    sure = f"{100 * found['confidence']:.0f} %"
    return [
        f"{count} seeds show the spread only roughly: the standard deviation over all seeds may be"
        f" {spread['sd_low']:.3f} to {spread['sd_high']:.3f} ({sure}, if scores are normally distributed), and {sure}"
        " intervals over seeds cover less than they claim."
    ]
