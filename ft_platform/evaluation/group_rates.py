"""How often each label is given, and missed, in groups: demographic parity and equalized odds, one label against all
others.

With more than two labels each is looked at on its own, and the largest difference is reported with its label. Its
interval is that of the two groups it was found between, because the largest of many differences is never 0 in a
resample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft_platform.evaluation.intervals import interval, resampled_sums
from ft_platform.evaluation.label_counts import label_statistics
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.use_case.settings.evaluation import Evaluation

LEAST_ROWS = 5
"""Records with a label, and without it, that each group needs before its error rates for that label are compared."""
ERRORS = ("true positive rate", "false positive rate", "false negative rate", "precision", "F1")

Rates = dict[str, np.ndarray]


@dataclass(frozen=True)
class Counted:
    """Counts of one group, and of resamples of its records.

    Attributes:
        rows: records of the group.
        sums: of `label_statistics`, shape `(3 * labels,)`.
        draws: the same over resamples, shape `(samples, 3 * labels)`.
    """

    rows: int
    sums: np.ndarray
    draws: np.ndarray


def counted(groups: Mapping[str, LabelOutputs], settings: Evaluation) -> dict[str, Counted]:
    """Counts behind all rates of all groups. Groups are drawn independently."""
    found = {}
    for number, (group, outputs) in enumerate(groups.items()):
        statistics = label_statistics(outputs)
        draws = resampled_sums(statistics, settings.bootstrap_samples, [settings.seed, number])
        found[group] = Counted(len(outputs), statistics.sum(axis=0), draws)
    return found


def compare_rates(labels: Sequence[str], groups: Mapping[str, Counted], confidence: float) -> dict[str, Any]:
    """Differences of rates between groups.

    Args:
        groups: counts of every group with enough records, at least two, of `labels` in this order.

    Returns:
        `{"demographic_parity", "equalized_odds", "errors": {rate: ...}}`, each `{"value", "low", "high", "ratio",
        "ratio_low", "ratio_high", "label", "rate", "highest", "lowest"}` or None. Demographic parity: the largest
        difference of the selection rate. Equalized odds: the largest difference of the true or false positive rate
        (Hardt et al., 2016), None where no label has enough records in every group. Errors: the same for each of
        `ERRORS` alone. `ratio` is the lowest rate over the highest, of equalized odds the smaller one of both rates, as
        in Fairlearn; an end of its interval is None where resamples of the highest rate are 0 too often to bound it.
    """
    values = {group: _rates(one.sums, one.rows) for group, one in groups.items()}
    draws = {group: _rates(one.draws, one.rows) for group, one in groups.items()}
    enough, given_enough, every = (np.ones(len(labels), dtype=bool) for _ in range(3))
    for one in groups.values():
        _, support, given = np.split(one.sums, 3)
        enough &= (support >= LEAST_ROWS) & (one.rows - support >= LEAST_ROWS)
        given_enough &= given >= LEAST_ROWS
    return {
        "demographic_parity": _largest(labels, values, draws, ("selection rate",), every, confidence),
        "equalized_odds": _largest(
            labels, values, draws, ("true positive rate", "false positive rate"), enough, confidence
        ),
        "errors": {
            rate: _largest(labels, values, draws, (rate,), given_enough if rate == "precision" else enough, confidence)
            for rate in ERRORS
        },
    }


def label_figures(labels: Sequence[str], group: Counted) -> dict[str, dict[str, float | None]]:
    """Of each label in one group its precision, recall, F1, selection rate and error rates; None where nothing stands
    below the line."""
    found = _label_figures(group.sums, group.rows)
    return {
        label: {name: _number(values[place]) for name, values in found.items()} for place, label in enumerate(labels)
    }


def label_intervals(
    labels: Sequence[str], group: Counted, confidence: float
) -> dict[str, dict[str, dict[str, float] | None]]:
    """`{label: {figure: {"low", "high"}}}` of `label_figures`; None where there is no figure. Resamples with nothing
    below the line are left out: counting them as 0 would pull the intervals of rare labels down."""
    known = _label_figures(group.sums, group.rows)
    ends = {
        name: _known_percentiles(draws, confidence) for name, draws in _label_figures(group.draws, group.rows).items()
    }
    return {
        label: {
            name: None if np.isnan(known[name][place]) else {"low": float(low[place]), "high": float(high[place])}
            for name, (low, high) in ends.items()
        }
        for place, label in enumerate(labels)
    }


def _label_figures(sums: np.ndarray, rows: int) -> dict[str, np.ndarray]:
    """Shapes `(..., 3 * labels)` -> `(..., labels)`; NaN where nothing stands below the line."""
    hits, support, given = np.split(sums, 3, axis=-1)
    with np.errstate(invalid="ignore"):  # 0 / 0; nothing else is divided by 0
        return {
            "precision": hits / given,
            "recall": hits / support,
            "f1": 2 * hits / (given + support),
            "selection_rate": given / rows,
            "false_positive_rate": (given - hits) / (rows - support),
            "false_negative_rate": (support - hits) / support,
        }


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _known_percentiles(draws: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """`numpy.nanquantile` of each column, without its loop over columns. Shape `(samples, labels)` -> two of
    `(labels,)`."""
    ordered = np.sort(draws, axis=0)  # NaN last
    last = np.maximum((~np.isnan(draws)).sum(axis=0) - 1, 0)
    columns = np.arange(draws.shape[1])
    ends = []
    for level in ((1 - confidence) / 2, (1 + confidence) / 2):
        place = level * last
        below = np.floor(place).astype(int)
        lower, upper = ordered[below, columns], ordered[np.minimum(below + 1, last), columns]
        ends.append(lower + (upper - lower) * (place - below))
    return ends[0], ends[1]


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
    labels: Sequence[str],
    values: Mapping[str, Rates],
    draws: Mapping[str, Rates],
    rates: Sequence[str],
    eligible: np.ndarray,
    confidence: float,
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
        ratio = min(
            (_ratio(values, draws, names, one, place, confidence) for one in rates), key=lambda one: one["ratio"] or 0.0
        )
        resampled = draws[highest][rate][:, place] - draws[lowest][rate][:, place]
        found = {
            **interval(top - bottom, resampled, confidence),
            **ratio,
            "label": labels[place],
            "rate": rate,
            "highest": highest,
            "lowest": lowest,
        }
    return found


def _ratio(
    values: Mapping[str, Rates],
    draws: Mapping[str, Rates],
    names: Sequence[str],
    rate: str,
    place: int,
    confidence: float,
) -> dict[str, float | None]:
    """The lowest over the highest, 1 where all are 0, with the interval of these two groups, which holds 1 where they
    may be equal."""
    found = np.array([values[group][rate][place] for group in names])
    top, bottom = names[int(found.argmax())], names[int(found.argmin())]
    above, below = draws[top][rate][:, place], draws[bottom][rate][:, place]
    # Nothing over nothing is equal; something over nothing is beyond any bound.
    ratios = np.where(above > 0, below / np.where(above > 0, above, 1.0), np.where(below > 0, np.inf, 1.0))
    # Ends that are resamples themselves: between a number and infinity nothing can be interpolated.
    low = float(np.quantile(ratios, (1 - confidence) / 2, method="lower"))
    high = float(np.quantile(ratios, (1 + confidence) / 2, method="higher"))
    return {
        "ratio": float(found.min() / found.max()) if found.max() else 1.0,
        "ratio_low": low if np.isfinite(low) else None,
        "ratio_high": high if np.isfinite(high) else None,
    }
