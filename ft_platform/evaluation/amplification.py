"""Whether fine-tuning made a gap between groups larger: the gap of the fine-tuned model minus that of the base model,
and minus that in the labels.

All systems answer the same records, so each resample draws the same records for all of them. As everywhere in the
fairness report a gap is that between the two groups that were found, the highest and the lowest of each system, and
resamples keep them: the largest of many differences is never 0 in a resample.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.evaluation.intervals import interval, resampled_sums
from ft_platform.evaluation.predictions import rows_of, systems_in
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.use_case.settings.evaluation import Evaluation

BASE = "base_zero_shot"
"""The base model with the prompt of the fine-tuned model: what differs between the two is training alone."""
PROMPTED = (BASE, "base_few_shot")
LABELS = "labels"


def amplification(
    predictions: pa.Table,
    values: np.ndarray,
    compared: Sequence[str],
    label: str | None,
    gap_metric: str,
    settings: Evaluation,
) -> dict[str, Any]:
    """Change of the gap by fine-tuning, for one sensitive feature.

    Args:
        predictions: rows of all systems, the records of each in the same order.
        values: group of each record. Shape `(records,)`.
        compared: groups with enough records.
        label: the label whose selection rates are compared; None for generation.
        gap_metric: `accuracy` or `rouge_l`, the quality whose gap is compared too.

    Returns:
        `{"value", "low", "high", "metric", "label", "system", "gap", "versus": {system: {"value", "low", "high",
        "gap"}}, "quality": {"metric", "gap", "versus"}, "status"}`. The first three are those against `system`, the
        base model with the same prompt. `gap` is that of the fine-tuned model, in `versus` that of the other one,
        `labels` among them. Without two groups to compare the values are None and `status` says so.
    """
    if len(compared) < 2:
        return {"value": None, "low": None, "high": None, "status": "not_enough_evidence"}
    present = systems_in(predictions)
    systems = [FINE_TUNED, *(system for system in PROMPTED if system in present)]
    rows = {system: rows_of(predictions, system) for system in systems}
    quality = found = _against(_quality(rows, gap_metric), values, compared, settings)
    if label is not None:
        given = {system: _is(one["predicted"], label) for system, one in rows.items()}
        found = _against({**given, LABELS: _is(rows[FINE_TUNED]["label"], label)}, values, compared, settings)
    return {
        **_headline(found),
        "metric": gap_metric if label is None else "selection_rate",
        "label": label,
        **found,
        "quality": {"metric": gap_metric, **quality},
        "status": "compared",
    }


def gap_change(
    before: np.ndarray, after: np.ndarray, values: np.ndarray, compared: Sequence[str], settings: Evaluation
) -> dict[str, float]:
    """Gap of `after` minus gap of `before`, both numbers per record: `{"value", "low", "high", "gap"}` with the gap
    before. Shapes `(records,)`."""
    return _against({FINE_TUNED: after, "before": before}, values, compared, settings)["versus"]["before"]


def gap_of(numbers: np.ndarray, values: np.ndarray, compared: Sequence[str], settings: Evaluation) -> dict[str, float]:
    """The gap of one system with its interval, from numbers per record."""
    return _against({FINE_TUNED: numbers}, values, compared, settings)["gap"]


def _headline(found: Mapping[str, Any]) -> dict[str, Any]:
    against = found["versus"].get(BASE, {})
    return {"system": BASE, **{name: against.get(name) for name in ("value", "low", "high")}}


def _against(
    numbers: Mapping[str, np.ndarray], values: np.ndarray, compared: Sequence[str], settings: Evaluation
) -> dict[str, Any]:
    """The gap of the fine-tuned model and its difference from that of each other system."""
    systems = list(numbers)
    table = np.stack([numbers[system] for system in systems], axis=1)  # (records, systems)
    means, draws = [], []
    for place, group in enumerate(compared):
        own = table[values == group]
        means.append(own.mean(axis=0))
        draws.append(resampled_sums(own, settings.bootstrap_samples, [settings.seed, place]) / len(own))
    stacked, resampled = np.stack(means), np.stack(draws)  # (groups, systems), (groups, samples, systems)
    highest, lowest = stacked.argmax(axis=0), stacked.argmin(axis=0)
    gaps = [float(stacked[highest[s], s] - stacked[lowest[s], s]) for s in range(len(systems))]
    drawn = [resampled[highest[s], :, s] - resampled[lowest[s], :, s] for s in range(len(systems))]
    versus = {
        system: {**interval(gaps[0] - gaps[s], drawn[0] - drawn[s], settings.confidence), "gap": gaps[s]}
        for s, system in enumerate(systems)
        if s
    }
    return {"gap": interval(gaps[0], drawn[0], settings.confidence), "versus": versus}


def _quality(rows: Mapping[str, pa.Table], gap_metric: str) -> dict[str, np.ndarray]:
    column = "correct" if gap_metric == "accuracy" else gap_metric
    return {system: np.asarray(found[column].to_pylist(), float) for system, found in rows.items()}


def _is(column: pa.ChunkedArray, label: str) -> np.ndarray:
    return np.array([value == label for value in column.to_pylist()], float)
