"""Where the model is worse: its score on parts of the test split, the worst part first.

Parts are the values of every feature, for labels the true label, languages where several are allowed, quarters of text
length and, where records have a date, of time. Covered: one of these at a time.
Not covered: combinations (`fairness_report` has those of sensitive features to come), and parts that no column names.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.evaluation.comparison import holm
from ft_platform.evaluation.intervals import interval, resampled_sums
from ft_platform.splitting.dates import DATE
from ft_platform.use_case.named import NamedUseCase

NOT_STATED = "not stated"
MOST_VALUES = 30
"""Values of a feature that are looked at on their own; the rarer ones together are one part."""
OTHERS = "all other values"
DAY = 10
"""Characters of a date: YYYY-MM-DD. Anonymization may have left a month or a year."""


def slice_metric(use_case: NamedUseCase) -> str:
    """The figure per record that parts are compared by."""
    return "accuracy" if use_case.settings.task.kind == "classification" else "rouge_l"


def slices(use_case: NamedUseCase, predictions: pa.Table) -> list[dict[str, Any]]:
    """Every part of the test split with its score, the worst first, those with too few records last.

    Args:
        predictions: rows of one system (`evaluation.predictions`).

    Returns:
        `[{"by", "part", "rows", "enough_evidence", "value", "low", "high", "rest", "p", "p_corrected"}]`. `rest` is the
        score on all other records; `p` the two-sided probability of such a difference from it (Fisher's exact test for
        hits, Mann-Whitney for texts), `p_corrected` the same after Holm's correction for all parts. Parts with fewer
        than `evaluation.min_slice_rows` records have no figures.
    """
    settings = use_case.settings.evaluation
    scores, hits = record_scores(use_case, predictions), slice_metric(use_case) == "accuracy"
    found = []
    for by, part, member in _parts(use_case, predictions):
        rows = int(member.sum())
        one: dict[str, Any] = {"by": by, "part": part, "rows": rows, "enough_evidence": rows >= settings.min_slice_rows}
        if one["enough_evidence"]:
            own, rest = scores[member], scores[~member]
            means = resampled_sums(own[:, None], settings.bootstrap_samples, settings.seed)[:, 0] / rows
            one |= interval(float(own.mean()), means, settings.confidence)
            one |= {"rest": float(rest.mean()) if len(rest) else None, "p": difference_by_chance(own, rest, hits)}
        found.append(one)
    compared = {str(place): one["p"] for place, one in enumerate(found) if one.get("p") is not None}
    for place, p in holm(compared).items():
        found[int(place)]["p_corrected"] = p
    return sorted(found, key=lambda one: (not one["enough_evidence"], one.get("value", 0.0), one["by"], one["part"]))


def record_scores(use_case: NamedUseCase, predictions: pa.Table) -> np.ndarray:
    """`slice_metric` of each record, higher is better. Shape `(rows,)`."""
    column = predictions["correct" if slice_metric(use_case) == "accuracy" else "rouge_l"]
    return np.array(column.to_pylist(), dtype=float)


def _parts(use_case: NamedUseCase, predictions: pa.Table) -> Iterator[tuple[str, str, np.ndarray]]:
    """What parts are made by, name of the part, and which records are in it."""
    for name in use_case.settings.record.features:
        values = [value or NOT_STATED for value in predictions[f"feature_{name}"].to_pylist()]
        yield from _values(name, values)
    if use_case.settings.task.kind == "classification":
        yield from _values("label", predictions["label"].to_pylist())
    if "language" in predictions.schema.names:
        yield from _values("language", [value or NOT_STATED for value in predictions["language"].to_pylist()])
    if "record_date" in predictions.schema.names:
        yield from _times(predictions["record_date"].to_pylist())
    lengths = np.array(predictions["text_characters"].to_pylist(), dtype=float)
    edges = np.unique(np.quantile(lengths, [0.25, 0.5, 0.75]))
    quarter = np.searchsorted(edges, lengths, side="left")
    bounds = [0, *(int(edge) for edge in edges), int(lengths.max())]
    for number in np.unique(quarter):
        yield (
            "text length",
            f"{bounds[number] + (number > 0):,} to {bounds[number + 1]:,} characters",
            quarter == number,
        )


def _times(dates: list[str | None]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Quarters of the records by date, one day never in two of them; dates are ISO 8601, so they are ordered as texts
    are."""
    days = np.array([date[:DAY] if date and re.match(DATE, date) else "" for date in dates], dtype=object)
    known = np.sort(days[days != ""])
    ends = sorted({known[-(-len(known) * number // 4) - 1] for number in range(1, 5)}) if len(known) else []
    before = ""
    for end in ends:
        member = (days > before) & (days <= end)
        yield "time", f"{days[member].min()} to {end}", member
        before = end
    if (days == "").any():
        yield "time", NOT_STATED, days == ""


def _values(by: str, values: list[str]) -> Iterator[tuple[str, str, np.ndarray]]:
    column = np.array(values, dtype=object)
    frequent = [
        value for value, _ in sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))[:MOST_VALUES]
    ]
    for value in frequent:
        yield by, value, column == value
    rare = ~np.isin(column, frequent)
    if rare.any():
        yield by, OTHERS, rare


def difference_by_chance(own: np.ndarray, rest: np.ndarray, hits: bool) -> float | None:
    """Probability of a difference like this one where part and rest are alike; None where there is no rest.

    Args:
        hits: scores are 0 or 1.
    """
    from scipy.stats import fisher_exact, mannwhitneyu

    if not len(rest):
        return None
    if hits:
        table = [[int(part.sum()), int(len(part) - part.sum())] for part in (own, rest)]
        return float(fisher_exact(table).pvalue)  # type: ignore[attr-defined]
    return float(mannwhitneyu(own, rest).pvalue)
