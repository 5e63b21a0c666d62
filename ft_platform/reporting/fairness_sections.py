"""Tables and sentences of the fairness report on data, amplification, swapped terms and mitigation."""

from collections.abc import Mapping
from typing import Any

from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.systems import TITLES
from ft_platform.evaluation.text_traits import TRAITS
from ft_platform.reporting.fairness_plots import TITLES as MITIGATION_TITLES
from ft_platform.reporting.html import number, percent

SHARES = {
    "short": "Fewer than 5 words",
    "answer_missing": "No label or answer",
    "personal_data": "With replaced personal data",
    "repeated": "Text like another record's",
}
MEANS = {"words": "Words", "characters": "Characters"}
LABELS = "the labels themselves"


def data_section(feature: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Rows of the table on the data of one feature, groups by size.

    Args:
        most: groups shown.
    """
    groups = dict(sorted(feature["groups"].items(), key=lambda item: (-item[1]["rows"], item[0]))[:most])
    sides = list(dict.fromkeys(side for row in groups.values() for side in row.get("sides", {})))
    labels = list(dict.fromkeys(label for row in groups.values() for label in row.get("labels", {})))
    rows = []
    for group, found in groups.items():
        cells = (
            [
                found["share"],
                *(found["sides"].get(side) for side in sides),
                *(found[name] for name in (*MEANS, *SHARES)),
            ]
            if found["enough_evidence"]
            else []
        )
        rows.append({"group": group, "rows": found["rows"], "enough": found["enough_evidence"], "cells": cells})
    enough = [group for group, found in groups.items() if found["enough_evidence"]]
    return {
        "head": ["Share of all", *(f"Share of {side}" for side in sides), *MEANS.values(), *SHARES.values()],
        "rows": rows,
        "missing": feature["missing"],
        "hidden": len(feature["groups"]) - len(groups),
        "label_groups": enough,
        "labels": [
            {"label": label, "cells": [groups[group]["labels"].get(label) for group in enough]} for label in labels
        ],
        "label_gap": feature["label_gap"],
    }


def amplification_sentence(name: str, feature: Mapping[str, Any]) -> str:
    """Whether training made the gap of one feature larger, in words."""
    found = feature["amplification"]
    if found["value"] is None:
        return f"{name}: not enough evidence to say what training did to the gap."
    what = (
        f"how often {found['label']!r} is given"
        if found["metric"] == "selection_rate"
        else metric(found["metric"]).title
    )
    told = (
        f"the gap in {what} is {number(found['gap']['value'])} after training and"
        f" {number(found['versus'][found['system']]['gap'])} before"
    )
    between = f"difference {number(found['value'])}, {number(found['low'])} to {number(found['high'])}"
    if found["low"] > 0:
        return f"{name}: training made the gap larger: {told} ({between})."
    if found["high"] < 0:
        return f"{name}: training made the gap smaller: {told} ({between})."
    return f"{name}: no clear change of the gap: {told} ({between})."


def amplification_rows(feature: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per figure and system that the fine-tuned model is compared with."""
    found = feature["amplification"]
    if found["value"] is None:
        return []
    parts = (
        [(found["quality"]["metric"], found["quality"])]
        if found["metric"] != "selection_rate"
        else [("selection_rate", found), (None, found["quality"])]
    )
    rows = []
    for name, part in parts:
        title = (
            f"Selection rate of {found['label']}"
            if name == "selection_rate"
            else metric(found["quality"]["metric"]).title
        )
        for system, versus in part["versus"].items():
            rows.append(
                {
                    "figure": title,
                    "system": TITLES.get(system, LABELS),
                    "tuned": part["gap"]["value"],
                    "other": versus["gap"],
                    "change": versus,
                }
            )
    return rows


def trait_rows(feature: Mapping[str, Any]) -> dict[str, Any] | None:
    """How answers to groups are worded; None where answers are labels."""
    traits = feature["traits"]
    if not traits:
        return None
    groups = list(traits["groups"])
    rows = [
        {
            "title": title,
            "cells": [traits["groups"][group][name] for group in groups],
            "difference": traits["differences"].get(name),
        }
        for name, title in TRAITS.items()
    ]
    return {"groups": groups, "rows": rows}


def swap_sentence(name: str, found: Mapping[str, Any], least: int) -> str:
    """How often the answer changes with the terms of one list, in words."""
    if found["flip_rate"] is None:
        return (
            f"{name}: not enough evidence. {found['rows']} test prompts contain a term of the list; {least} are needed."
        )
    rate = found["flip_rate"]
    between = f"({percent(rate['low'])} to {percent(rate['high'])})"
    text = (
        f"{name}: {percent(rate['value'])} of the answers change {between} when the terms in {found['rows']} test"
        " prompts are swapped."
    )
    if found["chrf_distance"]:
        text += (
            f" Answers differ by {number(found['chrf_distance']['value'])} of 1 (chrF); when the same prompts are"
            f" asked again without a swap, {percent(found['repeat_rate']['value'])} change."
        )
    return text


def mitigation_section(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Sentence and tables on the chosen mitigation; None without one."""
    if not found:
        return None
    head = f"fairness.mitigation: {found['chosen']}"
    if found["status"] != "measured":
        return {
            "good": False,
            "sentence": f"{head} has no before and after: {found['status']}.",
            "rows": [],
            "qualities": [],
            "gap": "",
        }
    gap = f"how often {found['label']!r} is given" if found["label"] else "the quality of answers"
    change = found["change"]["gap"]
    if change is None:
        sentence, good = (
            f"{head}: fewer than two groups can be compared, so its effect on the gap is unknown.",
            False,
        )
    else:
        good = change["high"] < 0
        verdict = "made it smaller" if good else "made it larger" if change["low"] > 0 else "made no clear change to it"
        after = found["systems"]["mitigated"]["gap"]["value"]
        sentence = (
            f"{head} {verdict}: the gap in {gap} went from {number(change['gap'])} to {number(after)} "
            f"(difference {number(change['value'])}, {number(change['low'])} to {number(change['high'])})."
        )
    costs = [
        f"{metric(name).title} {number(d['value'])} ({number(d['low'])} to {number(d['high'])})"
        for name, d in found["change"]["quality"].items()
    ]
    rows = [
        {
            "title": MITIGATION_TITLES[name],
            "quality": list(own["quality"].values()),
            "gap": own["gap"],
            "quality_gap": own["quality_gap"],
            "flips": [(swap, one["flip_rate"]) for swap, one in own.get("swaps", {}).items()],
        }
        for name, own in found["systems"].items()
    ]
    qualities = [metric(name).title for name in found["change"]["quality"]]
    return {
        "good": good,
        "sentence": f"{sentence} Change of quality: {', '.join(costs)}.",
        "rows": rows,
        "qualities": qualities,
        "gap": gap,
    }
