"""Every number of the `fairness.json` of a generation once more, from saved predictions and splits, with numpy and
scipy alone.

Nothing of the platform is imported here; its word lists come in as data. Which of several equal groups is named is
taken from the file."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ft_platform_tests.evaluation.recompute import Expected, leaves
from ft_platform_tests.evaluation.recompute_fairness import (
    Columns,
    Path,
    data,
    gap_draws,
    group_places,
    groups_of,
    mean,
    share,
    status_of,
    versus,
)

HIGHER_IS_BETTER = {"rouge_l": True, "answer_loss": False, "refusal_rate": False}
TRAITS = ("answer_words", "sentiment", "toxicity")
PROMPTED = ("base_zero_shot", "base_few_shot")


@dataclass(frozen=True)
class Words:
    """The lists that tone is read from."""

    positive: frozenset[str]
    negative: frozenset[str]
    negations: frozenset[str]
    insults: frozenset[str]

    def traits(self, answer: str) -> list[float]:
        """Words, tone in [-1, 1] (two words after a negation count the other way), and whether an insult is among
        them."""
        words = re.findall(r"[a-z]+(?:'[a-z]+)?", answer.lower().replace("’", "'"))
        tones = []
        for place, word in enumerate(words):
            sign = -1 if self.negations & {*words[max(place - 2, 0) : place]} else 1
            tones += [sign] * (word in self.positive) + [-sign] * (word in self.negative)
        return [len(answer.split()), sum(tones) / len(tones) if tones else 0.0, float(bool(self.insults & {*words}))]


@dataclass(frozen=True)
class Spoken:
    """What the figures are made of.

    Attributes:
        table: system -> columns of its predictions, the records of each in the same order.
        records: rows of the splits.
        swapped: rows of `swaps.parquet`.
        before: id of the evaluation without the mitigation, columns of its fine-tuned system, and its `swaps.parquet`.
    """

    table: Mapping[str, Columns]
    records: Sequence[Mapping[str, Any]]
    swapped: Sequence[Mapping[str, Any]]
    before: tuple[str, Columns, Sequence[Mapping[str, Any]]]


def text_fairness_figures(
    told: Mapping[str, Any], spoken: Spoken, words: Words, evaluation: Any, fairness: Any
) -> Expected:
    """What `fairness.json` of a generation must be.

    Args:
        told: the file.
        evaluation, fairness: the settings of these names.
    """
    expected = Expected(evaluation.bootstrap_samples, evaluation.confidence)
    columns, features, least = spoken.table["fine_tuned"], fairness.sensitive_features, fairness.min_group_rows
    expected.all(test_rows=len(columns["answer"]), gap_metric="rouge_l", min_group_rows=least, max_gap=fairness.max_gap)
    statuses = {}
    for feature in features:
        path = ("features", feature)
        statuses[feature] = _compare(expected, told["features"][feature], path, columns, [feature], words, fairness)
        _amplification(expected, (*path, "amplification"), spoken.table, feature, least)
        # The same figure once more, judged where it stands first.
        for rest, value in leaves(told["features"][feature]["differences"].get("rouge_l")):
            expected.add("gaps", feature, *rest, value=value)
        data(expected, told["data"][feature], ("data", feature), spoken.records, feature, least, labelled=False)
    pairs = {" and ".join(pair): pair for pair in combinations(features, 2)}
    for name, pair in pairs.items():
        statuses[name] = _compare(
            expected, told["intersections"][name], ("intersections", name), columns, pair, words, fairness
        )
    expected.add("within_max_gap", value=all(status == "within_max_gap" for status in statuses.values()))
    for swap in fairness.swaps:
        _swaps(expected, ("swaps", swap.name), [row for row in spoken.swapped if row["swap"] == swap.name], least)
    _mitigation(expected, spoken, fairness)
    return expected


def _compare(
    expected: Expected,
    told: Mapping[str, Any],
    path: Path,
    columns: Columns,
    features: Sequence[str],
    words: Words,
    fairness: Any,
) -> str:
    """One feature, or several together. Returns its status."""
    group, group_sizes, kept = groups_of(columns, features, fairness.min_group_rows)
    places = group_places(group, kept)
    for name, rows in group_sizes.items():
        expected.add(*path, "groups", name, "rows", value=rows)
        expected.add(*path, "groups", name, "enough_evidence", value=name in kept)
    for name in ("demographic_parity", "equalized_odds"):
        expected.add(*path, name, value=None)
    numbers = {metric: np.array(columns[metric], float) for metric in HIGHER_IS_BETTER}
    traits = dict(zip(TRAITS, np.array([words.traits(answer) for answer in columns["answer"]]).T, strict=True))
    for name in kept:
        own = group == name
        for metric, values in numbers.items():
            draws = values[own][places[name]].mean(axis=1)
            expected.interval(*path, "groups", name, metric, value=float(values[own].mean()), draws=draws)
        for trait, values in traits.items():
            expected.interval(
                *path,
                "traits",
                "groups",
                name,
                trait,
                value=float(values[own].mean()),
                draws=values[own][places[name]].mean(axis=1),
            )
    if not kept:
        expected.add(*path, "traits", value=None)
    if len(kept) < 2:
        expected.add(*path, "status", value="not_enough_evidence")
        return "not_enough_evidence"
    for metric, values in numbers.items():
        ends = ("best", "worst") if HIGHER_IS_BETTER[metric] else ("worst", "best")
        _difference(expected, told["differences"][metric], (*path, "differences", metric), values, group, kept, ends)
        pair = [float(values[group == told["differences"][metric][end]].mean()) for end in ends]
        expected.add(*path, "differences", metric, "ratio", value=pair[1] / pair[0] if pair[0] > 0 else 1.0)
    for trait, values in traits.items():
        here = told["traits"]["differences"][trait]
        _difference(expected, here, (*path, "traits", "differences", trait), values, group, kept, ("highest", "lowest"))
        high, low = (float(values[group == here[end]].mean()) for end in ("highest", "lowest"))
        expected.add(*path, "traits", "differences", trait, "ratio", value=low / high if low > 0 else None)
    rouge = [numbers["rouge_l"][group == name].mean() for name in kept]
    status = status_of(
        max(rouge) - min(rouge),
        told["differences"]["rouge_l"]["high"],
        fairness.max_gap,
        some_small=len(kept) < len(group_sizes),
    )
    expected.add(*path, "status", value=status)
    return status


def _difference(
    expected: Expected,
    told: Mapping[str, Any],
    path: Path,
    values: np.ndarray,
    group: np.ndarray,
    kept: Sequence[str],
    ends: tuple[str, str],
) -> None:
    """Highest minus lowest mean, and that of the same two groups in resamples.

    Args:
        ends: what the file calls the highest and the lowest group.
    """
    means = {name: float(values[group == name].mean()) for name in kept}
    high, low = (told[end] for end in ends)
    assert math.isclose(means[high], max(means.values())) and math.isclose(means[low], min(means.values())), path
    places = group_places(group, kept)
    drawn = [values[group == name][places[name]].mean(axis=1) for name in (high, low)]
    expected.interval(*path, value=means[high] - means[low], draws=drawn[0] - drawn[1])
    for end, name in zip(ends, (high, low), strict=True):
        expected.add(*path, end, value=name)


def _amplification(expected: Expected, path: Path, table: Mapping[str, Columns], feature: str, least: int) -> None:
    """The gap of ROUGE-L of the fine-tuned model against those of the base model, twice: texts have no label whose
    rates would be compared."""
    group, _, kept = groups_of(table["fine_tuned"], [feature], least)
    if len(kept) < 2:
        for name in ("value", "low", "high"):
            expected.add(*path, name, value=None)
        expected.add(*path, "status", value="not_enough_evidence")
        return
    gaps = {
        system: gap_draws(np.array(table[system]["rouge_l"], float), group, kept)
        for system in ("fine_tuned", *PROMPTED)
        if system in table
    }
    tuned, base = gaps["fine_tuned"], gaps["base_zero_shot"]
    for start in (path, (*path, "quality")):
        expected.add(*start, "metric", value="rouge_l")
        expected.interval(*start, "gap", value=tuned[0], draws=tuned[1])
        for system, other in gaps.items():
            if system != "fine_tuned":
                versus(expected, (*start, "versus", system), tuned, other)
    expected.interval(*path, value=tuned[0] - base[0], draws=tuned[1] - base[1])
    expected.all(*path, system="base_zero_shot", label=None, status="compared")


def _swaps(expected: Expected, path: Path, rows: Sequence[Mapping[str, Any]], least: int) -> None:
    """How often and how far an answer changes with a term of identity, and how often without one."""
    expected.add(*path, "rows", value=len(rows))
    expected.add(*path, "status", value="measured" if len(rows) >= least else "not_enough_evidence")
    if len(rows) < least:
        for name in ("flip_rate", "chrf_distance", "repeat_rate"):
            expected.add(*path, name, value=None)
        return
    share(expected, (*path, "flip_rate"), sum(row["changed"] for row in rows), len(rows))
    share(expected, (*path, "repeat_rate"), sum(row["repeated_changed"] for row in rows), len(rows))
    mean(expected, (*path, "chrf_distance"), [row["chrf_distance"] for row in rows])


def _mitigation(expected: Expected, spoken: Spoken, fairness: Any) -> None:
    """Before and after a mitigation of the training records, on the same test records."""
    feature, (before_id, before, before_swapped) = fairness.treated_feature, spoken.before
    told = {
        "chosen": fairness.mitigation,
        "where": "training",
        "feature": feature,
        "label": None,
        "compared_with": before_id,
        "status": "measured",
    }
    expected.all("mitigation", **told)
    systems = {"before": (before, before_swapped), "mitigated": (spoken.table["fine_tuned"], spoken.swapped)}
    group, _, kept = groups_of(before, [feature], fairness.min_group_rows)
    rouge = {system: np.array(columns["rouge_l"], float) for system, (columns, _) in systems.items()}
    gaps = {system: gap_draws(values, group, kept) for system, values in rouge.items()}
    for system, (_, swapped) in systems.items():
        start = ("mitigation", "systems", system)
        mean(expected, (*start, "quality", "rouge_l"), rouge[system].tolist())
        for name in ("gap", "quality_gap"):
            expected.interval(*start, name, value=gaps[system][0], draws=gaps[system][1])
        for swap in fairness.swaps:
            rows = [row for row in swapped if row["swap"] == swap.name]
            _swaps(expected, (*start, "swaps", swap.name), rows, fairness.min_group_rows)
    mean(expected, ("mitigation", "change", "quality", "rouge_l"), (rouge["mitigated"] - rouge["before"]).tolist())
    for name in ("gap", "quality_gap"):
        versus(expected, ("mitigation", "change", name), gaps["mitigated"], gaps["before"])
