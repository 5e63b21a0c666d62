"""From losses per validation record to points, a fitted curve with intervals, and what they say in words."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ft_platform.training.experiments.power_law import fit
from ft_platform.use_case.settings.experiments import LearningCurve

BLOCK = 64
"""Resamples at once: 64 resamples of 100,000 records are 51 MB."""


def curve_figures(trainings: Sequence[dict[str, Any]], settings: LearningCurve, seed: int) -> dict[str, Any]:
    """`{"points", "steps", "law", "doubling", "conclusion", "validation_rows"}`.

    Args:
        trainings: `{"share", "repeat", "rows", "losses", "weights"}`; of every one the same validation records in the
            same order.
        seed: of the resamples.
    """
    shares, repeats = settings.points, settings.repeats
    by_key = {(one["share"], one["repeat"]): one for one in trainings}
    losses = np.array(
        [[by_key[share, repeat]["losses"] for repeat in range(repeats)] for share in shares]
    )  # (shares, repeats, records)
    weights = np.array(trainings[0]["weights"], dtype=float)
    rows = np.array([by_key[share, 0]["rows"] for share in shares])
    value = losses.mean(axis=1) @ np.ones(len(weights)) / weights.sum()
    samples = _resampled(losses, weights, settings.bootstrap_samples, seed)
    tail = (1 - settings.confidence) / 2

    def interval(point: float, resampled: np.ndarray) -> dict[str, float]:
        low, high = np.quantile(resampled, [tail, 1 - tail])
        return {"value": float(point), "low": float(low), "high": float(high)}

    law, laws = fit(rows, value[None, :]), fit(rows, samples)
    n = int(rows[-1])
    gain, gains = law.at(n) - law.at(2 * n), laws.at(n) - laws.at(2 * n)
    points = [
        {"share": share, "rows": int(rows[i]), "loss": interval(value[i], samples[:, i])}
        for i, share in enumerate(shares)
    ]
    steps = []
    for i in range(1, len(shares)):
        fall = interval(value[i - 1] - value[i], samples[:, i - 1] - samples[:, i])
        steps.append(
            {"from": shares[i - 1], "to": shares[i], "fall": fall, "told_apart": fall["low"] > 0 or fall["high"] < 0}
        )
    doubled = interval(float(gain[0]), gains)
    doubling = {
        "rows": 2 * n,
        "loss": interval(float(law.at(2 * n)[0]), laws.at(2 * n)),
        "gain": doubled,
        "told_apart": doubled["low"] > 0,
    }
    grid = np.geomspace(rows[0], 2 * n, 60)
    band = [interval(float(law.at(x)[0]), laws.at(x)) for x in grid]
    found = {
        "points": points,
        "steps": steps,
        "doubling": doubling,
        "law": {"a": float(law.a[0]), "b": float(law.b[0]), "c": float(law.c[0])},
        "band": {"rows": grid.tolist(), **{key: [one[key] for one in band] for key in ("value", "low", "high")}},
        "validation_rows": len(weights),
        "repeats": repeats,
        "confidence": settings.confidence,
    }
    return {**found, "conclusion": conclusion(found)}


def _resampled(losses: np.ndarray, weights: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Mean losses `(samples, shares)` of resampled validation records, the same for all shares, and of resampled
    repeats of each share."""
    shares, repeats, records = losses.shape
    generator = np.random.default_rng(seed)
    found = np.empty((samples, shares))
    for start in range(0, samples, BLOCK):
        size = min(BLOCK, samples - start)
        counts = generator.multinomial(records, np.full(records, 1 / records), size=size).astype(float)
        means = np.einsum("br,skr->bsk", counts, losses) / (counts @ weights)[:, None, None]
        drawn = generator.integers(repeats, size=(size, shares, repeats))
        found[start : start + size] = np.take_along_axis(means, drawn, axis=2).mean(axis=2)
    return found


def conclusion(found: dict[str, Any]) -> list[str]:
    """What the curve says, and where it says nothing."""
    last, doubling = found["points"][-1], found["doubling"]
    sentences = [f"With all {last['rows']:,} training records the validation loss is {_said(last['loss'])}."]
    gain = _said(doubling["gain"])
    if doubling["told_apart"]:
        sentences.append(f"By the fitted curve, twice the records ({doubling['rows']:,}) would lower it by {gain}.")
    else:
        sentences.append(
            f"It is unclear whether twice the records ({doubling['rows']:,}) would lower it: {gain} by the fitted"
            " curve."
        )
    equal = [f"{_share(step['from'])} and {_share(step['to'])}" for step in found["steps"] if not step["told_apart"]]
    if equal:
        sentences.append(
            f"There is no clear difference between the losses with {'; with '.join(equal)} of the records."
        )
    worse = [
        f"from {_share(step['from'])} to {_share(step['to'])}" for step in found["steps"] if step["fall"]["high"] < 0
    ]
    if worse:
        sentences.append(
            f"The loss rose {'; '.join(worse)}: the curve is not a power law there, so do not trust what it says about"
            " more data."
        )
    noise = (
        "validation records and of repeated trainings"
        if found["repeats"] > 1
        else "validation records only, not that of training"
    )
    more = "" if found["repeats"] > 1 else "; set learning_curve.repeats above 1 to include it"
    sentences.append(
        f"The {found['confidence']:.0%} intervals cover the noise of the {noise}{more}. Beyond its last point, the"
        " curve is a guess."
    )
    return sentences


def _said(figure: dict[str, float]) -> str:
    return f"{figure['value']:.4f} [{figure['low']:.4f}, {figure['high']:.4f}]"


def _share(share: float) -> str:
    return f"{100 * share:g} %"
