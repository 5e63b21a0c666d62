"""Every number of the `fairness.json` of a classification once more, from saved predictions and splits, with numpy,
scipy, scikit-learn and Fairlearn alone.

Nothing of the platform is imported here. Which of several equal groups or labels is named is taken from the file; that
it is one of the equal ones is asserted."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ft_platform_tests.evaluation.recompute import (
    Between,
    Draws,
    Expected,
    exact_label_figures,
    label_figures,
    leaves,
    resampled_rows,
    wilson,
)

Columns = Mapping[str, Sequence[Any]]
Path = tuple[str, ...]
METRICS = ("accuracy", "macro_f1", "macro_precision", "macro_recall")
RESAMPLES = 4000
ENOUGH_FOR_RATES = 5
SHORT_WORDS = 5
MOST_FLIPS = 10


@dataclass(frozen=True)
class Saved:
    """What the figures are made of.

    Attributes:
        table: system -> columns of its predictions, the records of each in the same order.
        records: rows of the splits.
        swapped: rows of `swaps.parquet`.
        mitigated: system -> columns of `mitigated.parquet`.
    """

    table: Mapping[str, Columns]
    records: Sequence[Mapping[str, Any]]
    swapped: Sequence[Mapping[str, Any]]
    mitigated: Mapping[str, Columns]


def fairness_figures(told: Mapping[str, Any], saved: Saved, evaluation: Any, fairness: Any) -> Expected:
    """What `fairness.json` of a classification must be.

    Args:
        told: the file.
        evaluation, fairness: the settings of these names.
    """
    expected = Expected(evaluation.bootstrap_samples, evaluation.confidence)
    columns = saved.table["fine_tuned"]
    features = fairness.sensitive_features
    least = fairness.min_group_rows
    max_gap = fairness.max_gap
    expected.all(test_rows=len(columns["label"]), gap_metric="accuracy", min_group_rows=least, max_gap=max_gap)
    statuses = {}
    for feature in features:
        path = ("features", feature)
        statuses[feature] = compare(expected, told, path, columns, [feature], least, max_gap)
        amplification(expected, told["features"][feature], path, saved.table, feature, least)
        gap = told["features"][feature]["differences"].get("accuracy")
        for path, value in leaves(gap):  # the same figure once more, judged where it stands first
            expected.add("gaps", feature, *path, value=value)
        data(expected, told["data"][feature], ("data", feature), saved.records, feature, least)
    pairs = {
        " and ".join(pair): compare(
            expected, told, ("intersections", " and ".join(pair)), columns, pair, least, max_gap
        )
        for pair in combinations(features, 2)
    }
    expected.add(
        "within_max_gap", value=all(status == "within_max_gap" for status in (*statuses.values(), *pairs.values()))
    )
    for swap in fairness.swaps:
        swaps(expected, ("swaps", swap.name), [row for row in saved.swapped if row["swap"] == swap.name], least)
    mitigation(expected, saved, fairness)
    return expected


def groups_of(columns: Columns, features: Sequence[str], least: int) -> tuple[np.ndarray, dict[str, int], list[str]]:
    """Group of each record, sizes of all groups by name, and the groups that are compared."""
    named = [
        ["not stated" if value is None else value for value in columns[f"feature_{feature}"]] for feature in features
    ]
    group = np.array([" and ".join(row) for row in zip(*named, strict=True)], object)
    sizes = {name: int((group == name).sum()) for name in sorted(set(group))}
    return group, sizes, [name for name, rows in sizes.items() if rows >= least]


def group_places(group: np.ndarray, kept: Sequence[str]) -> dict[str, np.ndarray]:
    """Plain resamples of each group on its own: row numbers among its records. Each of shape `(resamples, rows)`."""
    sizes = [int((group == name).sum()) for name in kept]
    return {
        name: np.random.default_rng([3, number]).integers(0, rows, (RESAMPLES, rows))
        for number, (name, rows) in enumerate(zip(kept, sizes, strict=True))
    }


def label_draws(truth: np.ndarray, predicted: np.ndarray, places: np.ndarray) -> dict[str, Draws]:
    """Accuracy and macro figures of resamples."""
    position = {label: i for i, label in enumerate(sorted({*truth, *predicted}))}
    codes = [np.array([position[label] for label in values]) for values in (truth, predicted)]
    return label_figures(codes[0][places], codes[1][places], len(position))


def compare(
    expected: Expected,
    told: Mapping[str, Any],
    path: Path,
    columns: Columns,
    features: Sequence[str],
    least: int,
    max_gap: float,
) -> str:
    """One feature, or several together. Returns its status."""
    from fairlearn.metrics import MetricFrame
    from sklearn.metrics import accuracy_score

    group, sizes, kept = groups_of(columns, features, least)
    truth, predicted = (np.array(columns[name], object) for name in ("label", "predicted"))
    shown = np.isin(group, kept)
    places = group_places(group, kept)
    exact, draws = {}, {}
    for name in sizes:
        expected.add(*path, "groups", name, "rows", value=sizes[name])
        expected.add(*path, "groups", name, "enough_evidence", value=name in kept)
    for name in kept:
        own = group == name
        exact[name] = exact_label_figures(truth[own].tolist(), predicted[own].tolist())
        draws[name] = label_draws(truth[own], predicted[own], places[name])
        for metric in METRICS:
            expected.interval(*path, "groups", name, metric, value=exact[name][metric], draws=draws[name][metric])
        labels = sorted({*truth, *predicted})
        _each_label(expected, (*path, "groups", name), truth[own], predicted[own], labels, places[name])
    _selection_rates(expected, path, truth[shown], predicted[shown], group[shown], kept)
    expected.add(*path, "traits", value=None)
    if len(kept) < 2:
        for name in ("demographic_parity", "equalized_odds"):
            expected.add(*path, name, value=None)
        expected.add(*path, "status", value="not_enough_evidence")
        return "not_enough_evidence"
    here = told[path[0]][path[1]]
    for metric in METRICS:
        values = {name: exact[name][metric] for name in kept}
        _quality_difference(expected, here, path, metric, values, {name: draws[name][metric] for name in kept})
    gap = float(
        MetricFrame(
            metrics=accuracy_score, y_true=truth[shown], y_pred=predicted[shown], sensitive_features=group[shown]
        ).difference()
    )
    assert math.isclose(
        gap,
        max(exact[name]["accuracy"] for name in kept) - min(exact[name]["accuracy"] for name in kept),
        abs_tol=1e-12,
    )
    all_rates(expected, here, path, Rates(truth, predicted, group, kept, places))
    ends = [exact[here["differences"]["accuracy"][end]]["accuracy"] for end in ("best", "worst")]
    rows = [sizes[here["differences"]["accuracy"][end]] for end in ("best", "worst")]
    best, worst = (
        wilson(round(share * count), count, expected.confidence) for share, count in zip(ends, rows, strict=True)
    )
    _widened(
        expected,
        (*path, "differences", "accuracy", "low"),
        gap - math.hypot(best["value"] - best["low"], worst["high"] - worst["value"]),
    )
    _widened(
        expected,
        (*path, "differences", "accuracy", "high"),
        gap + math.hypot(best["high"] - best["value"], worst["value"] - worst["low"]),
    )
    status = status_of(gap, here["differences"]["accuracy"]["high"], max_gap, some_small=len(kept) < len(sizes))
    expected.add(*path, "status", value=status)
    return status


def status_of(gap: float, high: float, max_gap: float, *, some_small: bool) -> str:
    """The whole interval counts, and every group."""
    return (
        "above_max_gap"
        if gap > max_gap
        else "not_enough_evidence"
        if some_small or high > max_gap
        else "within_max_gap"
    )


def _widened(expected: Expected, path: Path, end: float) -> None:
    """An end of an interval lies no nearer than that of Newcombe's score interval."""
    outer = min if path[-1] == "low" else max
    drawn = expected.numbers[path]
    expected.add(*path, value=Between(outer(drawn.low, end) - 1e-9, outer(drawn.high, end) + 1e-9))


def _selection_rates(
    expected: Expected, path: Path, truth: np.ndarray, predicted: np.ndarray, group: np.ndarray, kept: Sequence[str]
) -> None:
    from fairlearn.metrics import MetricFrame, selection_rate

    for label in sorted({*truth, *predicted}):
        rates = MetricFrame(
            metrics=selection_rate, y_true=truth == label, y_pred=predicted == label, sensitive_features=group
        ).by_group
        for name in kept:
            expected.add(*path, "groups", name, "selection_rate", label, value=float(rates[name]))


def _each_label(
    expected: Expected, path: Path, truth: np.ndarray, predicted: np.ndarray, labels: Sequence[str], places: np.ndarray
) -> None:
    """Each label in one group against all others. A rate over no record is None; of its interval, resamples in which
    there is none are left out."""
    from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

    for label in labels:
        has, said = truth == label, predicted == label
        (right_not, wrong), (missed, hits) = confusion_matrix(has, said, labels=[False, True]).tolist()
        figures = {
            "precision": precision_score(has, said, zero_division=0) if hits + wrong else None,
            "recall": recall_score(has, said, zero_division=0) if hits + missed else None,
            "f1": f1_score(has, said, zero_division=0) if hits + wrong + missed else None,
            "selection_rate": (hits + wrong) / len(truth),
            "false_positive_rate": wrong / (wrong + right_not) if wrong + right_not else None,
            "false_negative_rate": missed / (missed + hits) if missed + hits else None,
        }
        drawn = _label_draws(has[places], said[places])
        for name, value in figures.items():
            expected.add(*path, "label_figures", label, name, value=None if value is None else float(value))
            if value is None:
                expected.add(*path, "label_intervals", label, name, value=None)
                continue
            draws = drawn[name][~np.isnan(drawn[name])]
            expected.ends(*path, "label_intervals", label, name, draws=draws, share=len(draws) / len(places))


def _label_draws(has: np.ndarray, said: np.ndarray) -> dict[str, Draws]:
    """Figures of one label over resamples, each of shape `(resamples, rows)` -> `(resamples,)`; NaN where nothing
    stands below the line."""
    hits, missed, wrong = ((a & b).sum(axis=1).astype(float) for a, b in ((has, said), (has, ~said), (~has, said)))
    rows = has.shape[1]

    def over(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)

    return {
        "precision": over(hits, hits + wrong),
        "recall": over(hits, hits + missed),
        "f1": over(2 * hits, 2 * hits + missed + wrong),
        "selection_rate": (hits + wrong) / rows,
        "false_positive_rate": over(wrong, rows - hits - missed),
        "false_negative_rate": over(missed, hits + missed),
    }


def _quality_difference(
    expected: Expected,
    here: Mapping[str, Any],
    path: Path,
    metric: str,
    values: Mapping[str, float],
    draws: Mapping[str, Draws],
) -> None:
    best, worst = here["differences"][metric]["best"], here["differences"][metric]["worst"]
    high, low = max(values.values()), min(values.values())
    assert math.isclose(values[best], high) and math.isclose(values[worst], low)
    expected.interval(*path, "differences", metric, value=high - low, draws=draws[best] - draws[worst])
    expected.all(*path, "differences", metric, ratio=low / high if high else 1.0, best=best, worst=worst)


@dataclass(frozen=True)
class Rates:
    """Labels of records in groups, and resamples of each group."""

    truth: np.ndarray
    predicted: np.ndarray
    group: np.ndarray
    kept: Sequence[str]
    places: Mapping[str, np.ndarray]

    def fairlearn(self, metric: Callable[..., float], label: str, transform: str) -> float:
        """Fairlearn's own difference or ratio between the groups, of one label against all others."""
        from fairlearn.metrics import MetricFrame

        shown = np.isin(self.group, self.kept)
        has, said = self.truth[shown] == label, self.predicted[shown] == label
        frame = MetricFrame(metrics=metric, y_true=has, y_pred=said, sensitive_features=self.group[shown])
        return float(frame.difference() if transform == "difference" else frame.ratio())

    def of(self, rate: str, label: str, name: str) -> tuple[float, Draws]:
        """The rate in one group, and over its resamples."""
        own = self.group == name
        has, said = self.truth[own] == label, self.predicted[own] == label
        drawn = self.places[name]
        return float(RATE[rate](has, said)), RATE[rate](has[drawn], said[drawn])

    def counts(self, values: np.ndarray, label: str) -> list[int]:
        """Records of each group with that label."""
        return [int((values[self.group == name] == label).sum()) for name in self.kept]


def _part(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return part.sum(axis=-1) / np.maximum(whole.sum(axis=-1), 1)


RATE: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "selection rate": lambda has, said: said.mean(axis=-1),
    "true positive rate": lambda has, said: _part(has & said, has),
    "false positive rate": lambda has, said: _part(~has & said, ~has),
    "false negative rate": lambda has, said: _part(has & ~said, has),
    "precision": lambda has, said: _part(has & said, said),
    "F1": lambda has, said: 2 * (has & said).sum(axis=-1) / np.maximum(has.sum(axis=-1) + said.sum(axis=-1), 1),
}


def fairlearn_rates() -> dict[str, Callable[..., float]]:
    from fairlearn.metrics import false_negative_rate, false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import f1_score, precision_score

    def precision(y_true: Any, y_pred: Any) -> float:
        return float(precision_score(y_true, y_pred, zero_division=0))

    def f1(y_true: Any, y_pred: Any) -> float:
        return float(f1_score(y_true, y_pred, zero_division=0))

    return {
        "selection rate": selection_rate,
        "true positive rate": true_positive_rate,
        "false positive rate": false_positive_rate,
        "false negative rate": false_negative_rate,
        "precision": precision,
        "F1": f1,
    }


def all_rates(expected: Expected, here: Mapping[str, Any], path: Path, rates: Rates) -> None:
    """Demographic parity, equalized odds and each error rate: the largest difference, over labels with enough records
    in every group."""
    labels = sorted({*rates.truth, *rates.predicted})
    sizes = [int((rates.group == name).sum()) for name in rates.kept]
    least = ENOUGH_FOR_RATES
    enough = [
        label
        for label in labels
        if all(
            least <= count <= rows - least for count, rows in zip(rates.counts(rates.truth, label), sizes, strict=True)
        )
    ]
    given = [label for label in labels if min(rates.counts(rates.predicted, label)) >= least]
    largest_rate(expected, here["demographic_parity"], (*path, "demographic_parity"), rates, ["selection rate"], labels)
    names = ["true positive rate", "false positive rate"]
    largest_rate(expected, here["equalized_odds"], (*path, "equalized_odds"), rates, names, enough)
    for rate in RATE:
        if rate != "selection rate":
            among = given if rate == "precision" else enough
            largest_rate(expected, here["errors"][rate], (*path, "errors", rate), rates, [rate], among)


def largest_rate(
    expected: Expected,
    found: Mapping[str, Any] | None,
    path: Path,
    rates: Rates,
    names: Sequence[str],
    among: Sequence[str],
) -> None:
    """The largest difference of some rates over some labels, with Fairlearn's own differences. The ratio is the
    smallest of all these rates."""
    if not among or found is None:
        expected.add(*path, value=None if not among else "figures")
        return
    metrics = fairlearn_rates()
    largest = max(rates.fairlearn(metrics[rate], label, "difference") for rate in names for label in among)
    label, highest, lowest = found["label"], found["highest"], found["lowest"]
    assert label in among and found["rate"] in names, path
    top, bottom = (rates.of(found["rate"], label, end) for end in (highest, lowest))
    assert math.isclose(top[0] - bottom[0], largest, abs_tol=1e-12), path
    expected.interval(*path, value=largest, draws=top[1] - bottom[1])
    ratios, pairs = [], []
    for rate in names:
        values = [rates.of(rate, label, name)[0] for name in rates.kept]
        pairs.append(
            [rates.of(rate, label, rates.kept[place])[1] for place in (int(np.argmin(values)), int(np.argmax(values)))]
        )
        ratios.append(min(values) / max(values) if max(values) else 1.0)
        assert not max(values) or math.isclose(
            ratios[-1], rates.fairlearn(metrics[rate], label, "ratio"), abs_tol=1e-12
        )
    below, above = pairs[int(np.argmin(ratios))]
    expected.ratio(*path, below=below, above=above)
    expected.all(*path, ratio=min(ratios), label=label, rate=found["rate"], highest=highest, lowest=lowest)


def gap_draws(numbers: np.ndarray, group: np.ndarray, kept: Sequence[str]) -> tuple[float, Draws]:
    """Highest minus lowest mean of the groups, and that of the same two groups in resamples. Of equal groups the first
    by name counts."""
    places = group_places(group, kept)
    means = [numbers[group == name].mean() for name in kept]
    highest, lowest = (kept[place] for place in (int(np.argmax(means)), int(np.argmin(means))))
    drawn = [numbers[group == name][places[name]].mean(axis=1) for name in (highest, lowest)]
    return float(max(means) - min(means)), drawn[0] - drawn[1]


def versus(expected: Expected, path: Path, tuned: tuple[float, Draws], other: tuple[float, Draws]) -> None:
    """How much larger the gap of the fine-tuned model is than another gap."""
    expected.interval(*path, value=tuned[0] - other[0], draws=tuned[1] - other[1])
    expected.add(*path, "gap", value=other[0])


def _equal(left: Sequence[Any], right: Any) -> np.ndarray:
    others = [right] * len(left) if isinstance(right, str) else right
    return np.array([one == other for one, other in zip(left, others, strict=True)], float)


def amplification(
    expected: Expected, here: Mapping[str, Any], path: Path, table: Mapping[str, Columns], feature: str, least: int
) -> None:
    """The gap of the fine-tuned model against those of the base model and of the true labels. The label is that of
    demographic parity."""
    path = (*path, "amplification")
    group, _, kept = groups_of(table["fine_tuned"], [feature], least)
    if len(kept) < 2:
        for name in ("value", "low", "high"):
            expected.add(*path, name, value=None)
        expected.add(*path, "status", value="not_enough_evidence")
        return
    label = here["demographic_parity"]["label"]
    systems = [system for system in ("fine_tuned", "base_zero_shot", "base_few_shot") if system in table]
    selected = {system: gap_draws(_equal(table[system]["predicted"], label), group, kept) for system in systems}
    selected["labels"] = gap_draws(_equal(table["fine_tuned"]["label"], label), group, kept)
    quality = {
        system: gap_draws(_equal(table[system]["label"], table[system]["predicted"]), group, kept) for system in systems
    }
    for start, gaps in ((path, selected), ((*path, "quality"), quality)):
        expected.interval(*start, "gap", value=gaps["fine_tuned"][0], draws=gaps["fine_tuned"][1])
        for system in gaps:
            if system != "fine_tuned":
                versus(expected, (*start, "versus", system), gaps["fine_tuned"], gaps[system])
    tuned, base = selected["fine_tuned"], selected["base_zero_shot"]
    expected.interval(*path, value=tuned[0] - base[0], draws=tuned[1] - base[1])
    expected.all(*path, system="base_zero_shot", metric="selection_rate", label=label, status="compared")
    expected.add(*path, "quality", "metric", value="accuracy")


def share(expected: Expected, path: Path, hits: int, rows: int) -> None:
    expected.all(*path, **wilson(hits, rows, expected.confidence))


def mean(expected: Expected, path: Path, values: Sequence[float]) -> None:
    """With Student's interval."""
    from scipy.stats import sem, t

    value, half = float(np.mean(values)), float(sem(values) * t.ppf((1 + expected.confidence) / 2, len(values) - 1))
    expected.all(*path, value=value, low=value - half, high=value + half)


def data(
    expected: Expected,
    told: Mapping[str, Any],
    path: Path,
    records: Sequence[Mapping[str, Any]],
    feature: str,
    least: int,
    *,
    labelled: bool = True,
) -> None:
    """The records of the splits by group: sizes, sides, labels (of a classification), and how good their texts are."""
    columns = {name: [record[name] for record in records] for name in ("label", f"feature_{feature}")}
    group, sizes, kept = groups_of(columns, [feature], least)
    expected.add(*path, "rows", value=len(records))
    share(expected, (*path, "missing"), sum(not record[f"feature_{feature}"] for record in records), len(records))
    repeats = Counter(record["group_id"] for record in records)
    for name, rows in sizes.items():
        start = (*path, "groups", name)
        expected.add(*start, "rows", value=rows)
        expected.add(*start, "enough_evidence", value=name in kept)
        share(expected, (*start, "share"), rows, len(records))
        if name in kept:
            _data_of_group(
                expected,
                start,
                [record for record, own in zip(records, group, strict=True) if own == name],
                records,
                repeats,
                labelled=labelled,
            )
    expected.add(*path, "status", value="compared" if len(kept) > 1 else "not_enough_evidence")
    if not labelled:
        expected.add(*path, "label_gap", value=None)
        return
    labels = np.array(columns["label"], object)
    largest_rate(
        expected,
        told["label_gap"],
        (*path, "label_gap"),
        Rates(labels, labels, group, kept, group_places(group, kept)),
        ["selection rate"],
        sorted(set(labels)) if len(kept) > 1 else [],
    )


def _data_of_group(
    expected: Expected,
    path: Path,
    own: Sequence[Mapping[str, Any]],
    records: Sequence[Mapping[str, Any]],
    repeats: Mapping[str | None, int],
    *,
    labelled: bool,
) -> None:
    sides = Counter(record["split"] for record in records)
    for side, rows in sides.items():
        share(expected, (*path, "sides", side), sum(record["split"] == side for record in own), rows)
    for label, rows in Counter(record["label"] for record in own if labelled).items():
        share(expected, (*path, "labels", label), rows, len(own))
    words = [len(" ".join(m["content"] for m in record["messages"] if m["role"] == "user").split()) for record in own]
    mean(expected, (*path, "words"), words)
    mean(expected, (*path, "characters"), [record["text_characters"] for record in own])
    hits = {
        "short": [count < SHORT_WORDS for count in words],
        "answer_missing": [not (_answer_of(record, labelled=labelled) or "").strip() for record in own],
        "personal_data": [any(count for _, count in record["entities"] or []) for record in own],
        "repeated": [record["group_id"] is not None and repeats[record["group_id"]] > 1 for record in own],
    }
    for name, values in hits.items():
        share(expected, (*path, name), sum(values), len(own))


def _answer_of(record: Mapping[str, Any], *, labelled: bool) -> str | None:
    if labelled:
        return record["label"]
    said = [message["content"] for message in record["messages"] if message["role"] == "assistant"]
    return said[-1] if said else None


def swaps(expected: Expected, path: Path, rows: Sequence[Mapping[str, Any]], least: int) -> None:
    """How often a label changes with a term of identity. Distances and repeats are those of texts."""
    for name in ("chrf_distance", "repeat_rate"):
        expected.add(*path, name, value=None)
    expected.add(*path, "rows", value=len(rows))
    expected.add(*path, "status", value="measured" if len(rows) >= least else "not_enough_evidence")
    if len(rows) < least:
        expected.add(*path, "flip_rate", value=None)
        return
    flips = Counter((row["predicted"], row["swapped"]) for row in rows if row["predicted"] != row["swapped"])
    share(expected, (*path, "flip_rate"), sum(flips.values()), len(rows))
    ordered = sorted(flips, key=lambda pair: (-flips[pair], pair))
    for number, pair in enumerate(ordered[:MOST_FLIPS]):
        expected.all(*path, "flips", number, **{"from": pair[0], "to": pair[1], "rows": flips[pair]})


def mitigation(expected: Expected, saved: Saved, fairness: Any) -> None:
    """Before and after a mitigation of the outputs that names its label."""
    if fairness.mitigation == "none":
        expected.add("mitigation", value=None)
        return
    feature, label = fairness.treated_feature, fairness.mitigation_label
    told = {
        "chosen": fairness.mitigation,
        "where": "outputs",
        "feature": feature,
        "label": label,
        "compared_with": None,
        "status": "measured",
    }
    expected.all("mitigation", **told)
    systems = {"before": saved.table["fine_tuned"], **saved.mitigated}
    group, _, kept = groups_of(systems["before"], [feature], fairness.min_group_rows)
    assert len(kept) > 1, "no gap was measured, so none was recomputed"
    places = resampled_rows(len(group), RESAMPLES, 1)
    exact, draws, gaps = {}, {}, {}
    for system, columns in systems.items():
        truth, predicted = (np.array(columns[name], object) for name in ("label", "predicted"))
        exact[system], draws[system] = (
            exact_label_figures(truth.tolist(), predicted.tolist()),
            label_draws(truth, predicted, places),
        )
        gaps[system] = {
            "gap": gap_draws(_equal(columns["predicted"], label), group, kept),
            "quality_gap": gap_draws(_equal(columns["label"], columns["predicted"]), group, kept),
        }
        for metric in ("accuracy", "macro_f1"):
            expected.interval(
                "mitigation",
                "systems",
                system,
                "quality",
                metric,
                value=exact[system][metric],
                draws=draws[system][metric],
            )
        for name, (value, drawn) in gaps[system].items():
            expected.interval("mitigation", "systems", system, name, value=value, draws=drawn)
    for metric in ("accuracy", "macro_f1"):
        change = exact["mitigated"][metric] - exact["before"][metric]
        drawn = draws["mitigated"][metric] - draws["before"][metric]
        expected.difference("mitigation", "change", "quality", metric, value=change, draws=drawn)
    for name in ("gap", "quality_gap"):
        versus(expected, ("mitigation", "change", name), gaps["mitigated"][name], gaps["before"][name])
