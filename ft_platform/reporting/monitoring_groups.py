"""What a monitored day says of groups of people, in sentences and rows of tables."""

from collections.abc import Mapping
from typing import Any

from ft_platform.monitoring.groups import ANSWERED, RIGHT, UNKNOWN

MOST_DIFFERENCES = 8
"""Figures of a feature that the page shows, those that differ most first."""


def groups_in_words(fairness: Mapping[str, Any]) -> list[str]:
    """A sentence for each feature, or why there is none."""
    return [_sentence(name, one["differences"]) for name, one in fairness.get("features", {}).items()] or [
        f"{fairness['note']}."
    ]


def _sentence(feature: str, differences: Mapping[str, Any]) -> str:
    if not differences:
        return f"By {feature}: fewer than two groups have enough answers (fairness.min_group_rows) to be compared."
    figure, found = _largest(differences)[0]
    between = f"{_points(found['value'])} points between {found['highest']} and {found['lowest']}"
    tested = f"on the test split: {_points(found['tested'])}"
    return f"By {feature}, groups differ most in the share of {_named(figure)}: {between} ({tested})."


def group_tables(fairness: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of each feature `groups`: group, answers, share answered, answers judged, share right; and `differences`: figure,
    group with the highest share, group with the lowest, points between them, their interval, points on the test split;
    `left_out`: differences that are not shown."""
    return [
        {
            "feature": name,
            "groups": [
                (group, f"{row['asked']:,}", _share(row, ANSWERED), f"{row['judged']:,}", _share(row, RIGHT))
                for group, row in sorted(one["groups"].items(), key=lambda row: (row[0] in UNKNOWN, row[0]))
            ],
            "differences": [
                (
                    _named(figure),
                    *(f"{group} {one['groups'][group]['shares'][figure]['value']:.1%}" for group in _ends(found)),
                    _points(found["value"]),
                    f"{_points(found['low'])} to {_points(found['high'])}",
                    _points(found["tested"]),
                )
                for figure, found in _largest(one["differences"])[:MOST_DIFFERENCES]
            ],
            "left_out": max(len(one["differences"]) - MOST_DIFFERENCES, 0),
        }
        for name, one in fairness["features"].items()
    ]


def _largest(differences: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(differences.items(), key=lambda one: (-one[1]["value"], one[0]))


def _ends(found: Mapping[str, Any]) -> tuple[str, str]:
    return found["highest"], found["lowest"]


def _named(figure: str) -> str:
    return {ANSWERED: "answered requests", RIGHT: "right answers"}.get(figure, figure)


def _points(difference: float | None) -> str:
    return "not known" if difference is None else f"{100 * difference:.1f}"


def _share(row: Mapping[str, Any], figure: str) -> str:
    if figure not in row["shares"]:
        return "too few"
    found = row["shares"][figure]
    return f"{found['value']:.1%} ({found['low']:.1%} to {found['high']:.1%})"
