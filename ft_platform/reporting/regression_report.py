"""The regression report: one picture and one HTML file from the figures of `evaluation.regression`."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.lake.draft import Draft
from ft_platform.reporting.figure import COLOURS, drawing, short
from ft_platform.reporting.report_page import saved, write_report_page

TITLES = {"general_text": "General text", "multiple_choice": "Multiple choice", "instructions": "Instructions"}
METRICS = {"log_perplexity": "nats per token", "accuracy": "share right", "followed": "share followed"}


def write_regression_report(folder: Path, draft: Draft, found: Mapping[str, Any]) -> None:
    """`report.html`, and `margins.png` where there are suites."""
    suites = found["suites"]
    write_report_page(
        folder,
        draft,
        "regression_report.html",
        title=f"What {draft.use_case.name} forgot",
        not_applicable=found.get("not_applicable"),
        sentences=[sentence(name, one) for name, one in suites.items()],
        suites=[suite_row(name, one) for name, one in suites.items()],
        champion=found["champion"],
        confidence=found["confidence"],
        settings=draft.use_case.settings.regression,
        pictures=saved(folder, {"margins": margins_plot(suites)} if suites else {}),
    )


def sentence(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """What the figures of a suite say in words: `{"good", "text"}`."""
    title = TITLES.get(name, name)
    difference = one["difference"]
    margin = f"{one['margin']:g} {METRICS.get(one['metric'], one['metric'])}"
    if difference is None:
        text = f"{title}: not measured. A figure is not a number, so the model counts as worse."
        return {"good": False, "text": text}
    moved = f"{difference['value']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f}) against the base model"
    words = {
        "within_margin": f"nothing beyond the margin was lost: {moved}, margin {margin}.",
        "beyond_margin": f"worse by more than the margin: {moved}, margin {margin}.",
        "not_enough_evidence": (
            f"not enough evidence: {moved}; the interval reaches the margin of {margin}, so the model counts as worse."
        ),
    }[one["status"]]
    if one["non_inferior_to_champion"] is False:
        words += " Against the champion it may be worse by the margin or more."
    return {"good": one["non_inferior"] and one["non_inferior_to_champion"] is not False, "text": f"{title}: {words}"}


def suite_row(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """Cells of the table of suites."""
    return {
        "title": TITLES.get(name, name),
        "metric": METRICS.get(one["metric"], one["metric"]),
        "higher_is_better": one["higher_is_better"],
        "items": one["items"],
        "cells": [one[system] for system in ("base", "champion", "tuned")],
        "perplexities": (
            [math.exp(one[s]["value"]) if one[s] else None for s in ("base", "champion", "tuned")]
            if one["metric"] == "log_perplexity"
            else None
        ),
        "difference": one["difference"],
        "to_champion": one["difference_to_champion"],
        "margin": one["margin"],
        "status": one["status"].replace("_", " "),
    }


def margins_plot(suites: Mapping[str, Mapping[str, Any]]) -> bytes:
    """How much worse the fine-tuned model is on each suite, in margins: right of 1 is beyond. Circles against the base
    model, squares against the champion."""
    with drawing(6.8, 1.3 + 0.55 * len(suites)) as (_, axes, buffer):
        for place, one in enumerate(suites.values()):
            for offset, key, marker, colour in (
                (-0.12, "difference", "o", COLOURS[0]),
                (0.12, "difference_to_champion", "s", COLOURS[5]),
            ):
                _point(axes, one, key, place + offset, marker, colour)
            if one["difference"] is None:
                transform = axes.get_yaxis_transform()
                axes.text(0.5, place, "not a number", transform=transform, ha="center", va="center", style="italic")
        axes.axvline(0, color="grey", linewidth=1)
        axes.axvline(1, color="black", linestyle="--", linewidth=1)
        xycoords = axes.get_xaxis_transform()
        axes.annotate("margin", (1, 1), xycoords=xycoords, xytext=(3, -10), textcoords="offset points", fontsize=8)
        axes.set_yticks(
            range(len(suites)), [f"{short(TITLES.get(name, name))} ({one['items']})" for name, one in suites.items()]
        )
        axes.set_ylim(len(suites) - 0.5, -0.5)
        axes.margins(x=0.1)
        axes.set_xlabel("lost, in margins (circle: against the base model, square: against the champion)")
        axes.grid(axis="x", alpha=0.3)
    return buffer.getvalue()


def _point(axes: Any, one: Mapping[str, Any], key: str, place: float, marker: str, colour: str) -> None:
    found = one[key]
    if found is None:
        return
    scale = (-1 if one["higher_is_better"] else 1) / one["margin"]
    value, ends = found["value"] * scale, sorted((found["low"] * scale, found["high"] * scale))
    xerr = [[max(value - ends[0], 0)], [max(ends[1] - value, 0)]]
    axes.errorbar(value, place, xerr=xerr, fmt=marker, color=colour, capsize=4)
