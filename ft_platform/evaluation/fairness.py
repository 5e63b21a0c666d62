"""The fine-tuned model's outputs compared between groups, with Fairlearn's MetricFrame.

Covered: quality, selection and error rates per sensitive feature and per pair of them, with group sizes and intervals;
what fine-tuning added to a gap; the data; swapped terms; before and after a mitigation. Not covered: groups that the
data does not name, and whether a difference is justified; people judge that.
"""

import logging
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.evaluation.amplification import amplification
from ft_platform.evaluation.data_fairness import data_columns, data_fairness
from ft_platform.evaluation.fairness_outputs import SWAPS
from ft_platform.evaluation.fairness_verdict import GAP_METRIC, TOO_LITTLE, all_fair, score_interval, verdict_about
from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.group_rates import Counted, compare_rates, counted, label_figures, label_intervals
from ft_platform.evaluation.groups import AND, group_values, pooled_parts
from ft_platform.evaluation.intervals import Figure, interval, resampled_sums
from ft_platform.evaluation.metric import Metric, metric
from ft_platform.evaluation.mitigation_figures import mitigation_figures, read_beside
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.evaluation.predictions import rows_of
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.swap_figures import swap_figures
from ft_platform.evaluation.text_traits import text_traits
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.evaluation import Evaluation

LOG = logging.getLogger(__name__)
STAGE = "fairness_report"
GROUP_METRICS = {
    "classification": ("accuracy", "macro_f1", "macro_precision", "macro_recall"),
    "generation": ("rouge_l", "answer_loss", "refusal_rate"),
}


SELECTION = "selection_rate of "


def fairness(use_case: NamedUseCase, predictions: pa.Table) -> dict[str, Any]:
    """Comparison of groups for every sensitive feature.

    A group with fewer than `fairness.min_group_rows` test records has no figures and never counts as fair; records
    without a value form the group `not stated`. Groups of `fairness.pooled_groups` take the place of their parts.

    Args:
        predictions: rows of the fine-tuned system (`evaluation.predictions`).

    Returns:
        `{"test_rows", "gap_metric", "min_group_rows", "max_gap", "features": {feature: {"groups", "differences",
        "demographic_parity", "equalized_odds", "errors", "traits", "pooled", "status"}}, "intersections": {"a and b":
        the same}, "gaps": {feature: difference or None}, "within_max_gap"}`. A difference is `{"value", "low", "high",
        "ratio", "best", "worst"}`: group with the best minus group with the worst value, with its interval, and the
        smaller value over the larger. Groups have `label_figures` and `label_intervals` (`group_rates`) for labels;
        `traits` (`text_traits`) are there for texts. `pooled`: pooled group -> value -> records. `status` and
        `within_max_gap` are what `fairness_verdict` says.
    """
    settings = use_case.settings.fairness
    features = {name: compare_groups(use_case, predictions, [name]) for name in settings.sensitive_features}
    pairs = {
        AND.join(pair): compare_groups(use_case, predictions, pair)
        for pair in combinations(settings.sensitive_features, 2)
    }
    gap_metric = GAP_METRIC[use_case.settings.task.kind]
    found = {
        "test_rows": predictions.num_rows,
        "gap_metric": gap_metric,
        "min_group_rows": settings.min_group_rows,
        "max_gap": settings.max_gap,
        "features": features,
        "intersections": pairs,
        "gaps": {name: found["differences"].get(gap_metric) for name, found in features.items()},
    }
    return {**found, "within_max_gap": all_fair(found, use_case.settings)}


def compare_groups(use_case: NamedUseCase, predictions: pa.Table, features: Sequence[str]) -> dict[str, Any]:
    """Figures of every group, by one feature or by several together, and the differences between groups with enough
    evidence."""
    settings = use_case.settings
    values = group_values(settings.fairness, predictions, features)
    sizes = {group: int((values == group).sum()) for group in sorted(set(values))}
    compared = [group for group, rows in sizes.items() if rows >= settings.fairness.min_group_rows]
    names = GROUP_METRICS[settings.task.kind]
    groups: dict[str, Any] = {
        group: {"rows": rows, "enough_evidence": group in compared} for group, rows in sizes.items()
    }
    result: dict[str, Any] = {
        "groups": groups,
        "differences": {},
        "demographic_parity": None,
        "equalized_odds": None,
        "errors": {},
        "traits": None,
    }
    result |= {"pooled": pooled_parts(settings.fairness, predictions, features), "status": TOO_LITTLE}
    if not compared:
        return result
    shown = np.isin(values, compared)
    frame = _frame(predictions.filter(pa.array(shown)), values[shown], settings.task.kind)
    resampled = {
        group: _resampled(use_case, predictions.filter(pa.array(values == group)), number)
        for number, group in enumerate(compared)
    }
    for group in compared:
        for name in names:
            groups[group][name] = interval(
                float(frame.by_group[name][group]), resampled[group][name], settings.evaluation.confidence
            )
        rates = [column for column in frame.by_group.columns if column.startswith(SELECTION)]
        if rates:
            groups[group]["selection_rate"] = {
                column.removeprefix(SELECTION): float(frame.by_group[column][group]) for column in rates
            }
    labels, counts = (
        _label_counts(predictions, values, compared, settings.evaluation)
        if settings.task.kind == "classification"
        else ([], {})
    )
    for group, one in counts.items():
        groups[group]["label_figures"] = label_figures(labels, one)
        groups[group]["label_intervals"] = label_intervals(labels, one, settings.evaluation.confidence)
    if settings.task.kind == "generation" and "answer" in predictions.schema.names:
        result["traits"] = text_traits(predictions, values, compared, settings.evaluation)
    if len(compared) < 2:
        return result
    result["differences"] = {
        name: _difference(metric(name), groups, compared, resampled, settings.evaluation.confidence) for name in names
    }
    if counts:
        result |= compare_rates(labels, counts, settings.evaluation.confidence)
    result["status"] = verdict_about(AND.join(features), result, GAP_METRIC[settings.task.kind], settings).status
    return result


def _frame(predictions: pa.Table, groups: np.ndarray, kind: str) -> Any:
    """Fairlearn's MetricFrame; for labels with the selection rate of each label that was predicted or is true."""
    from functools import partial

    from fairlearn.metrics import MetricFrame, selection_rate

    if kind == "generation":
        # A frame has one y_pred; figures per record come in as a parameter of each metric.
        names, unused = GROUP_METRICS[kind], np.zeros(len(groups))
        values = {name: {"values": predictions[name].to_numpy()} for name in names}
        return MetricFrame(
            metrics=dict.fromkeys(names, _mean),
            y_true=unused,
            y_pred=unused,
            sensitive_features=groups,
            sample_params=values,
        )
    truth = np.array(predictions["label"].to_pylist(), dtype=object)
    predicted = np.array(predictions["predicted"].to_pylist(), dtype=object)
    labels = sorted({*truth, *predicted})
    quality = {name: partial(_label_metric, name, labels) for name in GROUP_METRICS[kind]}
    rates = {f"{SELECTION}{label}": partial(selection_rate, pos_label=label) for label in labels}
    return MetricFrame(metrics={**quality, **rates}, y_true=truth, y_pred=predicted, sensitive_features=groups)


def _mean(y_true: Any, y_pred: Any, values: Any) -> float:
    return float(np.mean(values))


def _label_metric(name: str, labels: list[str], y_true: Any, y_pred: Any) -> float:
    return metric(name).value(LabelOutputs(labels, list(y_true), list(y_pred)))


def _resampled(use_case: NamedUseCase, rows: pa.Table, number: int) -> dict[str, np.ndarray]:
    """Every metric over resamples of one group's records. Groups are drawn independently. Shapes `(samples,)`."""
    settings = use_case.settings.evaluation
    seed = [settings.seed, number]
    if use_case.settings.task.kind == "generation":
        values = np.stack([rows[name].to_numpy() for name in GROUP_METRICS["generation"]], axis=1)
        means = resampled_sums(values, settings.bootstrap_samples, seed) / rows.num_rows
        return {name: means[:, column] for column, name in enumerate(GROUP_METRICS["generation"])}
    truth, predicted = rows["label"].to_pylist(), rows["predicted"].to_pylist()
    outputs = LabelOutputs(sorted({*truth, *predicted}), truth, predicted)
    return {
        name: (found := metric(name)).score(resampled_sums(found.statistics(outputs), settings.bootstrap_samples, seed))
        for name in GROUP_METRICS["classification"]
    }


def _difference(
    found: Metric,
    groups: dict[str, Any],
    compared: list[str],
    resampled: dict[str, dict[str, np.ndarray]],
    confidence: float,
) -> Figure | dict[str, Any]:
    """Best minus worst group in absolute value. The interval is that of this pair: a maximum over resamples would never
    hold 0.

    For accuracy it is at least as wide as the score interval: resamples of two groups that are all right have no width,
    however small the groups."""
    ordered = sorted(
        compared, key=lambda group: (groups[group][found.name]["value"], group), reverse=found.higher_is_better
    )
    best, worst = ordered[0], ordered[-1]
    sign = 1 if found.higher_is_better else -1
    value = sign * (groups[best][found.name]["value"] - groups[worst][found.name]["value"])
    draws = sign * (resampled[best][found.name] - resampled[worst][found.name])
    values = [groups[group][found.name]["value"] for group in (best, worst)]
    ratio = min(values) / max(values) if max(values) > 0 else 1.0
    ends = interval(value, draws, confidence)
    if found.name == "accuracy":
        one = (groups[best]["accuracy"]["value"], groups[best]["rows"])
        low, high = score_interval(one, (groups[worst]["accuracy"]["value"], groups[worst]["rows"]), confidence)
        ends |= {"low": min(ends["low"], low), "high": max(ends["high"], high)}
    return {**ends, "ratio": ratio, "best": best, "worst": worst}


def _label_counts(
    predictions: pa.Table, values: np.ndarray, compared: Sequence[str], settings: Evaluation
) -> tuple[list[str], dict[str, Counted]]:
    """All labels, and the counts of every group."""
    labels = sorted({*predictions["label"].to_pylist(), *predictions["predicted"].to_pylist()})
    rows = {group: predictions.filter(pa.array(values == group)) for group in compared}
    return labels, counted(
        {
            group: LabelOutputs(labels, part["label"].to_pylist(), part["predicted"].to_pylist())
            for group, part in rows.items()
        },
        settings,
    )


def parent_of(lake: Lake, evaluation_report: ArtifactVersion, name: str) -> Version:
    parent = next(parent for parent in lake.manifest(evaluation_report).parents if parent.name == name)
    return version_of_parent(lake, evaluation_report.use_case, parent)


def all_figures(
    lake: Lake, use_case: NamedUseCase, evaluation_report: ArtifactVersion, before: ArtifactVersion | None
) -> dict[str, Any]:
    """What `fairness.json` holds: `fairness`, for every feature its `amplification`, and `data`, `swaps` and
    `mitigation`.

    Args:
        before: an evaluation without the mitigation (`mitigation_figures.evaluation_before`).
    """
    predictions = read_predictions(lake, evaluation_report)
    tuned = rows_of(predictions, FINE_TUNED)
    found = fairness(use_case, tuned)
    for name, feature in found["features"].items():
        values = group_values(use_case.settings.fairness, tuned, [name])
        compared = [group for group, row in feature["groups"].items() if row["enough_evidence"]]
        label = feature["demographic_parity"]["label"] if feature["demographic_parity"] else None
        feature["amplification"] = amplification(
            predictions, values, compared, label, found["gap_metric"], use_case.settings.evaluation
        )
    splits = parent_of(lake, evaluation_report, "splits")
    assert isinstance(splits, TableVersion)
    return {
        **found,
        "data": data_fairness(use_case, lake.read_table(splits, data_columns(use_case))),
        "swaps": swap_figures(use_case, read_beside(lake, evaluation_report, SWAPS)),
        "mitigation": mitigation_figures(lake, use_case, evaluation_report, before),
    }
