"""What pictures show, for people who do not see them: the same figures as sentences, the first ones where there are
many. Templates call these as `alt.<name>(...)`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.systems import TITLES
from ft_platform.reporting.figure import short
from ft_platform.reporting.formats import number, percent

MOST = 8
"""Figures in one text; the table beside the picture has all."""


def listed(what: str, parts: Iterable[str]) -> str:
    """`what: part; part; and 3 more.`"""
    found = list(parts)
    more = [f"and {len(found) - MOST:,} more"] if len(found) > MOST else []
    return f"{what}: {'; '.join([*found[:MOST], *more]) or 'nothing'}."


def figures(what: str, rows: Iterable[tuple[str, Mapping[str, Any] | None]]) -> str:
    """Names with their value and interval; None: not enough evidence."""
    return listed(
        what,
        (
            f"{short(name)} {number(one['value'])} ({number(one['low'])} to {number(one['high'])})"
            if one
            else f"{short(name)} has not enough evidence"
            for name, one in rows
        ),
    )


def counts(what: str, found: Mapping[str, int]) -> str:
    return listed(what, (f"{short(name)} {count:,}" for name, count in found.items()))


def systems(found: Mapping[str, Mapping[str, Any]], metric: Metric) -> str:
    """`{system: {metric: figure}}`."""
    rows = ((TITLES.get(name, name), values[metric.name]) for name, values in found.items())
    return figures(f"{metric.title} of each system with its interval", rows)


def seeds(found: Mapping[str, Any], metric: Metric) -> str:
    spread = found["metrics"][metric.name]
    points = ", ".join(number(value) for value in spread["values"])
    others = (
        f"{TITLES.get(name, name)} {number(values[metric.name])}"
        for name, values in found["systems"].items()
        if metric.name in values
    )
    text = f"{metric.title} of each seed: {points}, mean {number(spread['value'])}"
    return listed(f"{text}. Beside them, as lines", others)


def funnel(stages: Iterable[Mapping[str, Any]]) -> str:
    return listed(
        "Records kept at each stage", (f"{one['stage']} {one['kept']:,} of {one['rows_in']:,}" for one in stages)
    )


def slices(rows: Iterable[Mapping[str, Any]], title: str) -> str:
    named = ((f"{one['by']} {one['part']}", one if one["enough_evidence"] else None) for one in rows)
    return figures(f"{title} on parts of the test split, the worst first", named)


def calibration(found: Mapping[str, Any]) -> str:
    kept = (f"{percent(one['coverage'])} answered, {number(one['accuracy']['value'])}" for one in found["selective"])
    text = (
        f"How sure the model is against how often it is right: mean confidence {number(found['mean_confidence'])},"
        f" accuracy {number(found['accuracy'])}"
    )
    return listed(f"{text}. Accuracy where it answers only what it is surest of", kept)


def labels(rows: Iterable[Mapping[str, Any]], system: str) -> str:
    named = (f"{short(row['label'])} {number(row['f1'])} on {int(row['support']):,} records" for row in rows)
    return listed(f"F1 for each label, {system}", named)


def confusion(names: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """True labels down, predicted ones across."""
    right = sum(row[place] for place, row in enumerate(matrix))
    total = sum(map(sum, matrix))
    wrong = sorted(
        (
            (count, short(names[true]), short(names[given]))
            for true, row in enumerate(matrix)
            for given, count in enumerate(row)
            if count and true != given
        ),
        key=lambda one: (-one[0], one[1:]),
    )
    return listed(
        f"True against predicted labels: {right:,} of {total:,} records are right. Mixed up most often",
        (f"{true} taken for {given} {count:,} times" for count, true, given in wrong),
    )


def shares(sides: Mapping[str, Mapping[str, int]]) -> str:
    """`{label: {side: records}}`."""
    rows = (
        f"{short(label) or 'all'} {', '.join(f'{side} {count:,}' for side, count in of.items())}"
        for label, of in sides.items()
    )
    return listed("Records of each label on each side of the split", rows)


def groups(name: str, found: Mapping[str, Mapping[str, Any]], metric: Metric) -> str:
    """`{group: {"enough_evidence", metric: figure}}`."""
    rows = ((group, row[metric.name] if row["enough_evidence"] else None) for group, row in found.items())
    return figures(f"{metric.title} of each group of {name}", rows)


def changes(found: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> str:
    """The five figures of a return on investment, in percent of before."""
    rows = (
        f"{titles[name]} {100 * one['relative']['value']:+.0f} %" if one["relative"] else f"{titles[name]} not measured"
        for name, one in found.items()
    )
    return listed("Change of each figure", rows)


def sensitivity(rows: Iterable[Mapping[str, Any]], currency: str) -> str:
    moved = (f"{one['name']} {one['saving_at_low']:,.0f} to {one['saving_at_high']:,.0f}" for one in rows)
    return listed(f"Savings per month in {currency} when only one quantity changes", moved)
