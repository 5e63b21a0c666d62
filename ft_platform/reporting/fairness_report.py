"""The fairness report: pictures and one HTML file from the figures of `evaluation.fairness`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.evaluation.fairness_verdict import fairness_verdicts, nothing_compared
from ft_platform.evaluation.metric import metric
from ft_platform.lake.draft import Draft
from ft_platform.reporting import alt_texts
from ft_platform.reporting.fairness_plots import trade_off_plot
from ft_platform.reporting.fairness_sections import (
    amplification_rows,
    amplification_sentence,
    data_section,
    mitigation_section,
    swap_sentence,
    trait_rows,
)
from ft_platform.reporting.figure import short
from ft_platform.reporting.plots import groups_plot
from ft_platform.reporting.report_page import saved, write_report_page
from ft_platform.use_case.named import NamedUseCase

GAPS = {"demographic_parity": "Demographic parity", "equalized_odds": "Equalized odds"}
LABEL_FIGURES = {
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "false_positive_rate": "False positive rate",
    "false_negative_rate": "False negative rate",
}
MOST_LABEL_ROWS = 400
"""Rows of the table of labels and groups; fairness.json has all."""
MOST_GROUPS = 40
"""Groups shown in tables and pictures, the largest ones; fairness.json has all."""


def write_fairness_report(folder: Path, draft: Draft, found: Mapping[str, Any]) -> None:
    """`groups_<feature>.png` for each feature, `trade_off.png` where a gap was measured before and after, and
    `report.html`."""
    gap_metric = metric(found["gap_metric"])
    pictures = {}
    compared = {**found["features"], **found["intersections"]}
    for name, feature in compared.items():
        pictures[_picture_of(name)] = groups_plot(name, largest_groups(feature["groups"]), gap_metric)
    mitigation = mitigation_section(found["mitigation"])
    if mitigation and found["mitigation"]["change"].get("gap"):
        quality = next(iter(found["mitigation"]["change"]["quality"]))
        label = found["mitigation"]["label"]
        gap = f"gap in how often {short(label)!r} is given" if label else "gap in the quality of answers"
        pictures["trade_off"] = trade_off_plot(found["mitigation"]["systems"], quality, metric(quality).title, gap)
    said = sentences(found, draft.use_case)
    write_report_page(
        folder,
        draft,
        "fairness_report.html",
        title=f"Fairness of {draft.use_case.name}",
        found=found,
        features=[
            {
                "name": name,
                "picture": _picture_of(name),
                "sentence": said[name],
                "alt": alt_texts.groups(name, largest_groups(feature["groups"]), gap_metric),
                **feature_tables(feature),
            }
            for name, feature in compared.items()
        ],
        nothing_compared=nothing_compared(draft.use_case.settings),
        data={name: data_section(feature, MOST_GROUPS) for name, feature in found["data"].items()},
        amplified=[
            {"name": name, "sentence": amplification_sentence(name, f), "rows": amplification_rows(f)}
            for name, f in found["features"].items()
        ],
        swaps=[
            {"sentence": swap_sentence(name, swap, found["min_group_rows"]), "flips": swap["flips"]}
            for name, swap in found["swaps"].items()
        ],
        mitigation=mitigation,
        confidence=draft.use_case.settings.evaluation.confidence,
        pictures=saved(folder, pictures),
    )


def _picture_of(compared: str) -> str:
    return f"groups_{compared.replace(' ', '_')}"


def largest_groups(groups: Mapping[str, Any]) -> dict[str, Any]:
    """Groups by size, the largest first."""
    return dict(sorted(groups.items(), key=lambda item: (-item[1]["rows"], item[0]))[:MOST_GROUPS])


def sentences(found: Mapping[str, Any], use_case: NamedUseCase) -> dict[str, dict[str, Any]]:
    """What the figures of every feature and every pair of them prove, in words: name -> `{"good", "text"}`."""
    return {
        name: {"good": verdict.passed, "text": verdict.text}
        for name, verdict in fairness_verdicts(found, use_case.settings).items()
    }


def feature_tables(feature: Mapping[str, Any]) -> dict[str, Any]:
    """Rows of the group table, of the difference table and of the selection rates."""
    groups = largest_groups(feature["groups"])
    names = list(feature["differences"]) or next(
        (_figures(row) for row in groups.values() if row["enough_evidence"]), []
    )
    head = [metric(name) for name in names]
    rows = [
        {
            "group": group,
            "rows": row["rows"],
            "enough": row["enough_evidence"],
            "cells": [row[m.name] for m in head] if row["enough_evidence"] else [],
        }
        for group, row in groups.items()
    ]
    rated = {group: row["selection_rate"] for group, row in groups.items() if "selection_rate" in row}
    labels = list(next(iter(rated.values()))) if rated else []
    return {
        "metrics": [{"title": m.title, "higher_is_better": m.higher_is_better} for m in head],
        "rows": rows,
        "pooled": {
            pool: ", ".join(f"{value} ({count:,})" for value, count in parts.items())
            for pool, parts in feature["pooled"].items()
        },
        "hidden": len(feature["groups"]) - len(groups),
        "differences": [
            {"title": metric(name).title, **difference} for name, difference in feature["differences"].items()
        ],
        "gaps": [{"title": title, **feature[key]} for key, title in GAPS.items() if feature[key]],
        "errors": [row for row in feature["errors"].values() if row],
        "figures": _label_rows(groups),
        "figure_names": list(LABEL_FIGURES.values()),
        "traits": trait_rows(feature),
        "no_odds": bool(feature["demographic_parity"]) and not feature["equalized_odds"],
        "rate_groups": list(rated),
        "rates": [
            {"label": label, "cells": [_with_ends(groups[group], label, "selection_rate") for group in rated]}
            for label in labels
        ],
    }


def _label_rows(groups: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and error rates of every label in every group."""
    shown = {group: row["label_figures"] for group, row in groups.items() if "label_figures" in row}
    labels = list(dict.fromkeys(label for found in shown.values() for label in found))
    rows = [(label, group) for label in labels for group in shown][:MOST_LABEL_ROWS]
    return [
        {"label": label, "group": group, "cells": [_with_ends(groups[group], label, name) for name in LABEL_FIGURES]}
        for label, group in rows
    ]


def _with_ends(group: Mapping[str, Any], label: str, name: str) -> dict[str, float] | None:
    """A figure of one label in one group with its interval; None where there is no figure."""
    value = group["label_figures"][label][name]
    return None if value is None else {"value": value, **group["label_intervals"][label][name]}


def _figures(row: Mapping[str, Any]) -> list[str]:
    return [name for name, value in row.items() if isinstance(value, Mapping) and "low" in value]
