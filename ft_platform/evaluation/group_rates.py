"""How often each label is given, and missed, in groups: demographic parity and equalized odds, one label against all others.

With more than two labels each is looked at on its own, and the largest difference is reported with its label. Its interval is that of the
two groups it was found between, because the largest of many differences is never 0 in a resample.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ft_platform.evaluation.intervals import interval, resampled_sums
from ft_platform.evaluation.label_counts import label_statistics
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.use_case import Evaluation

LEAST_ROWS = 5
"""Records with a label, and without it, that each group needs before its error rates for that label are compared."""
ERRORS = ("true positive rate", "false positive rate", "false negative rate", "precision", "F1")

Rates = dict[str, np.ndarray]


def compare_rates(labels: Sequence[str], groups: Mapping[str, LabelOutputs], settings: Evaluation) -> dict[str, Any]:
    """Differences of rates between groups.

    Args:
        groups: outputs of every group with enough records, at least two; their labels are `labels`.

    Returns:
        `{"demographic_parity", "equalized_odds", "errors": {rate: ...}}`, each `{"value", "low", "high", "ratio", "label", "rate", "highest",
        "lowest"}` or None. Demographic parity: the largest difference of the selection rate. Equalized odds: the largest difference of the true or
        false positive rate (Hardt et al., 2016), None where no label has enough records in every group. Errors: the same for each of `ERRORS`
        alone. `ratio` is the lowest rate over the highest, of equalized odds the smaller one of both rates, as in Fairlearn.
    """
    values: dict[str, Rates] = {}
    draws: dict[str, Rates] = {}
    enough, given_enough = np.ones(len(labels), dtype=bool), np.ones(len(labels), dtype=bool)
    for number, (group, outputs) in enumerate(groups.items()):
        statistics = label_statistics(outputs)
        sums = statistics.sum(axis=0)
        values[group] = _rates(sums, len(outputs))
        draws[group] = _rates(resampled_sums(statistics, settings.bootstrap_samples, [settings.seed, number]), len(outputs))
        _, support, given = np.split(sums, 3)
        enough &= (support >= LEAST_ROWS) & (len(outputs) - support >= LEAST_ROWS)
        given_enough &= given >= LEAST_ROWS
    every = np.ones(len(labels), dtype=bool)
    return {
        "demographic_parity": _largest(labels, values, draws, ("selection rate",), every, settings.confidence),
        "equalized_odds": _largest(labels, values, draws, ("true positive rate", "false positive rate"), enough, settings.confidence),
        "errors": {rate: _largest(labels, values, draws, (rate,), given_enough if rate == "precision" else enough, settings.confidence) for rate in ERRORS},
    }


def label_figures(outputs: LabelOutputs) -> dict[str, dict[str, float | None]]:
    """Of each label in one group its precision, recall, F1, selection rate and error rates; None where nothing stands below the line."""
    sums = label_statistics(outputs).sum(axis=0)
    hits, support, given = np.split(sums, 3)
    rows, found = len(outputs), {}
    for place, label in enumerate(outputs.labels):
        hit, has, said = float(hits[place]), float(support[place]), float(given[place])
        found[label] = {
            "precision": _over(hit, said),
            "recall": _over(hit, has),
            "f1": _over(2 * hit, said + has),
            "selection_rate": said / rows,
            "false_positive_rate": _over(said - hit, rows - has),
            "false_negative_rate": _over(has - hit, has),
        }
    return found


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _rates(sums: np.ndarray, rows: int) -> Rates:
    """Rates per label from sums of `label_statistics`. Shapes `(..., 3 * labels)` -> `(..., labels)`."""
    hits, support, given = np.split(sums, 3, axis=-1)
    return {
        "selection rate": given / rows,
        "true positive rate": hits / np.maximum(support, 1),
        "false positive rate": (given - hits) / np.maximum(rows - support, 1),
        "false negative rate": (support - hits) / np.maximum(support, 1),
        "precision": hits / np.maximum(given, 1),
        "F1": 2 * hits / np.maximum(given + support, 1),
    }


def _largest(
    labels: Sequence[str], values: Mapping[str, Rates], draws: Mapping[str, Rates], rates: Sequence[str], eligible: np.ndarray, confidence: float
) -> dict[str, Any] | None:
    if not eligible.any():
        return None
    names = list(values)
    found: dict[str, Any] | None = None
    for rate in rates:
        table = np.stack([values[group][rate] for group in names])  # (groups, labels)
        spread = np.where(eligible, table.max(axis=0) - table.min(axis=0), -1.0)
        place = int(spread.argmax())
        if found is not None and spread[place] <= found["value"]:
            continue
        highest, lowest = names[int(table[:, place].argmax())], names[int(table[:, place].argmin())]
        top, bottom = float(table[:, place].max()), float(table[:, place].min())
        ratio = min(_ratio(np.array([values[group][one][place] for group in names])) for one in rates)
        resampled = draws[highest][rate][:, place] - draws[lowest][rate][:, place]
        found = {
            **interval(top - bottom, resampled, confidence),
            "ratio": ratio,
            "label": labels[place],
            "rate": rate,
            "highest": highest,
            "lowest": lowest,
        }
    return found


def _ratio(values: np.ndarray) -> float:
    """The lowest over the highest; 1 where all are 0."""
    return float(values.min() / values.max()) if values.max() else 1.0
