"""How often one side wins, and how far raters agree beyond chance. Ratings are one of `CHOICES` for each record."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ft_platform.evaluation.intervals import percentiles, resampled_sums
from ft_platform.evaluation.proportions import share
from ft_platform.use_case.settings.evaluation import Evaluation

FINE_TUNED, ALTERNATIVE, TIE = "fine_tuned", "alternative", "tie"
CHOICES = (FINE_TUNED, ALTERNATIVE, TIE)
"""What a rating of a pair of answers can be."""

POINTS = {FINE_TUNED: 1.0, TIE: 0.5, ALTERNATIVE: 0.0}
"""Wins of the fine-tuned model. A tie counts half."""

WORDS = (
    (0.0, "worse than chance"),
    (0.2, "slight"),
    (0.4, "fair"),
    (0.6, "moderate"),
    (0.8, "substantial"),
    (np.inf, "almost perfect"),
)
"""Words for a kappa below each bound (Landis and Koch, The Measurement of Observer Agreement for Categorical Data,
1977)."""


def win_rate(points: Sequence[float], confidence: float) -> dict[str, float]:
    """Mean share of wins over records with Wilson's interval: `{"value", "low", "high"}`, in [0, 1].

    It is not of width 0 where all records say the same, as a bootstrap would be. Ties and means over raters vary less
    than wins and losses do, so for them it is wider than need be. The records are the sample: raters of one record do
    not count as more records.

    Args:
        points: wins of each record, in [0, 1]; at least one.
    """
    return share(float(np.sum(points)), len(points), confidence)


def agreement(
    ratings: Mapping[str, Mapping[str, str]], settings: Evaluation, choices: Sequence[str] = CHOICES
) -> dict[str, Any]:
    """Agreement between raters beyond chance.

    For two raters Cohen's kappa (A Coefficient of Agreement for Nominal Scales, 1960), for more Krippendorff's alpha
    for nominal data (Computing Krippendorff's Alpha-Reliability, 2011), which takes records that not every rater
    judged. Records that fewer than two raters judged are left out. The interval is that of resampled records.

    Args:
        ratings: rater -> record -> one of `choices`.

    Returns:
        `{"kappa": {"value", "low", "high"} or None, "method", "raters", "rows", "observed", "status"}`: `observed` is
        the share of pairs of ratings of one record that are equal. `status` is `measured`, or why there is no kappa.
    """
    raters = sorted(ratings)
    records = sorted(set().union(*map(set, ratings.values())))
    judged = [[said[record] for said in map(ratings.__getitem__, raters) if record in said] for record in records]
    several = [row for row in judged if len(row) > 1]
    two = len(raters) == 2
    score, method, per_record = (
        (cohens_kappa, "Cohen's kappa", _cell) if two else (krippendorffs_alpha, "Krippendorff's alpha", _coincidences)
    )
    found: dict[str, Any] = {
        "kappa": None,
        "method": method,
        "raters": len(raters),
        "rows": len(several),
        "observed": None,
        "status": "measured",
    }
    if len(raters) < 2:
        return {**found, "status": "agreement needs at least two raters"}
    if not several:
        return {**found, "status": "no record was judged by two raters"}
    statistics = np.array([per_record(row, choices) for row in several])
    sums = statistics.sum(axis=0)
    found["observed"] = float(np.trace(sums.reshape(len(choices), -1)) / sums.sum())
    value = float(score(sums))
    if np.isnan(value):
        return {**found, "status": "all ratings are the same, so agreement beyond chance cannot be measured"}
    draws = score(resampled_sums(statistics, settings.bootstrap_samples, settings.seed))
    # Where a resample holds one kind of rating only, it has no kappa.
    low, high = percentiles(draws[~np.isnan(draws)], settings.confidence)
    return {**found, "kappa": {"value": value, "low": low, "high": high}}


def _cell(row: Sequence[str], choices: Sequence[str]) -> np.ndarray:
    """One record in the table of two raters. Shape `(choices * choices,)`."""
    table = np.zeros((len(choices), len(choices)))
    table[choices.index(row[0]), choices.index(row[1])] = 1
    return table.ravel()


def _coincidences(row: Sequence[str], choices: Sequence[str]) -> np.ndarray:
    """Pairs of ratings of one record, each rating counted once in all its pairs. Shape `(choices * choices,)`."""
    counts = np.array([row.count(choice) for choice in choices], float)
    return ((np.outer(counts, counts) - np.diag(counts)) / max(len(row) - 1, 1)).ravel()


def cohens_kappa(sums: np.ndarray) -> np.ndarray:
    """Kappa of tables of two raters; NaN where chance alone gives full agreement. Shapes `(..., k * k)` -> `(...)`."""
    table = _square(sums)
    rows = table.sum(axis=(-1, -2))
    observed = np.trace(table, axis1=-2, axis2=-1) / rows
    expected = (table.sum(axis=-1) * table.sum(axis=-2)).sum(axis=-1) / rows**2
    return _beyond_chance(observed, expected)


def krippendorffs_alpha(sums: np.ndarray) -> np.ndarray:
    """Alpha of coincidence matrices, for nominal data; NaN where there is one kind of rating only. Shapes `(..., k *
    k)` -> `(...)`."""
    table = _square(sums)
    each = table.sum(axis=-1)
    rows = each.sum(axis=-1)
    observed = np.trace(table, axis1=-2, axis2=-1) / rows
    expected = (each * (each - 1)).sum(axis=-1) / (rows * (rows - 1))
    return _beyond_chance(observed, expected)


def _square(sums: np.ndarray) -> np.ndarray:
    sums = np.asarray(sums, float)
    size = round(sums.shape[-1] ** 0.5)
    return sums.reshape(*sums.shape[:-1], size, size)


def _beyond_chance(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(expected < 1 - 1e-12, (observed - expected) / (1 - expected), np.nan)


def in_words(kappa: float) -> str:
    return next(word for bound, word in WORDS if kappa < bound)
