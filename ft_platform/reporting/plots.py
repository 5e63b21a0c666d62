"""Pictures of an evaluation, as PNG bytes. They hold counts and scores, never a record's text."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.systems import TITLES
from ft_platform.reporting.figure import COLOURS, YELLOW, around, drawing, remark, short
from ft_platform.reporting.method_words import TITLES as OF_METHODS

OWN = ("fine_tuned", *OF_METHODS.values())
"""What the evaluated model is called in pictures."""
MOST_NUMBERED_LABELS = 15
"""Above, a cell of the confusion matrix is too small for its number."""

HATCHES = (None, "///", "...", "xxx")
LINE_STYLES: tuple[Any, ...] = ("--", ":", "-.", (0, (5, 1)), (0, (1, 3)))
"""Of lines that are told apart without their colour."""
SHORT_REASON = 20
"""Characters of a legend entry of which four fit beside one another."""


def funnel_plot(funnel: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows kept and removed, by reason, at each stage.

    Args:
        funnel: `[{"stage", "rows_in", "kept", "removed": {reason: count}}]`.
    """
    from matplotlib.ticker import EngFormatter, MaxNLocator

    reasons = list(dict.fromkeys(reason for stage in funnel for reason in stage["removed"]))
    styles = {"kept": {"facecolor": COLOURS[0]}, **{reason: style_of_reason(i) for i, reason in enumerate(reasons)}}
    columns = 4 if max(len(short(name)) for name in styles) <= SHORT_REASON else 2
    legend_rows = math.ceil(len(styles) / columns)
    with drawing(7.2, 0.9 + 0.42 * len(funnel) + 0.2 * legend_rows) as (figure, axes, buffer):
        for place, stage in enumerate(funnel):
            left = 0
            for name, count in [("kept", stage["kept"]), *stage["removed"].items()]:
                axes.barh(place, count, left=left, **styles[name])
                left += count
            axes.text(left, place, f" {stage['kept']:,} of {stage['rows_in']:,}", va="center")
        axes.set_yticks(range(len(funnel)), [short(stage["stage"]) for stage in funnel])
        axes.invert_yaxis()
        # Right of the longest bar is its text.
        axes.set(xlabel="records", xlim=(0, 1.2 * max((stage["rows_in"] for stage in funnel), default=0) or 1))
        axes.xaxis.set(major_locator=MaxNLocator(integer=True), major_formatter=EngFormatter())
        _legend_below(figure, styles, columns)
    return buffer.getvalue()


def style_of_reason(number: int) -> dict[str, Any]:
    """Colour of a reason's bar and legend entry; from the eighth on with a hatch, so that no two look alike."""
    colours = COLOURS[1:]
    colour = colours[number % len(colours)]
    hatch = HATCHES[number // len(colours) % len(HATCHES)]
    return {"facecolor": colour, "hatch": hatch, "edgecolor": "black" if colour == YELLOW else "white", "linewidth": 0}


def _legend_below(figure: Any, styles: Mapping[str, Mapping[str, Any]], columns: int) -> None:
    """A legend that the constrained layout leaves room for: one inside the axes is cut off at the picture's edge."""
    from matplotlib.patches import Patch

    handles = [Patch(label=short(name), **style) for name, style in styles.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)


def confusion_matrix_plot(labels: Sequence[str], matrix: Sequence[Sequence[int]], system: str) -> bytes:
    """True labels down, predicted labels across; shade is the share of the true label.

    Args:
        system: whose predictions, for the title.
    """
    import numpy as np

    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    numbered = len(labels) <= MOST_NUMBERED_LABELS
    size = min(12.0, 2.6 + 0.42 * len(labels) if numbered else 3 + 0.16 * len(labels))
    with drawing(size + 1.2, size) as (figure, axes, buffer):
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        ticks = range(len(labels))
        small = 8 if numbered else 5
        axes.set_xticks(ticks, [short(label) for label in labels], rotation=90, fontsize=small)
        axes.set_yticks(ticks, [short(label) for label in labels], fontsize=small)
        axes.set(xlabel="predicted", ylabel="true")
        axes.set_title(TITLES.get(system, short(system)), fontsize=10)
        if numbered:
            for (row, column), count in np.ndenumerate(counts):
                if count:
                    color = "white" if shares[row, column] > 0.5 else "black"
                    axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=color)
        figure.colorbar(image, ax=axes, label="share of the true label", shrink=0.8)
    return buffer.getvalue()


def per_label_plot(per_class: Mapping[str, Mapping[str, Mapping[str, float]]], systems: Sequence[str]) -> bytes:
    """F1 per label of some systems, labels in order of their number of test records.

    Args:
        per_class: `{system: {label: {"f1", "support", ...}}}`.
        systems: which to show.
    """
    last = per_class[systems[-1]]
    support = {label: last.get(label, {}).get("support", 0) for system in systems for label in per_class[system]}
    labels = sorted(support, key=lambda name: (-support[name], name))
    height = 0.8 / len(systems)
    with drawing(7.2, 1.2 + (0.16 + 0.14 * len(systems)) * len(labels)) as (figure, axes, buffer):
        for number, system in enumerate(systems):
            values = [per_class[system].get(label, {}).get("f1", 0.0) for label in labels]
            places = [place + number * height for place in range(len(labels))]
            name = TITLES.get(system, short(system))
            axes.barh(places, values, height=height, color=COLOURS[number], label=name)
        names = [f"{short(label)} ({int(support[label])})" for label in labels]
        axes.set_yticks([place + 0.4 - height / 2 for place in range(len(labels))], names, fontsize=8)
        axes.invert_yaxis()
        axes.set(xlim=(0, 1), xlabel="F1 (in brackets: test records)")
        # More than three names beside one another are cut off.
        figure.legend(loc="outside lower center", ncols=len(systems) if len(systems) < 4 else 2, frameon=False)
    return buffer.getvalue()


def systems_plot(systems: Mapping[str, Mapping[str, Mapping[str, float]]], metric: Metric) -> bytes:
    """One metric of every system with its interval."""
    names = list(systems)
    with drawing(6.4, 1.0 + 0.36 * len(names)) as (_, axes, buffer):
        for place, name in enumerate(names):
            _point(axes, systems[name][metric.name], place, COLOURS[5] if name in OWN else COLOURS[0])
        axes.set_yticks(range(len(names)), [TITLES.get(name, short(name)) for name in names])
        axes.invert_yaxis()
        axes.margins(y=0.2, x=0.12)
        axes.set_xlabel(metric.title)
        axes.grid(axis="x", alpha=0.3)
    return buffer.getvalue()


def seeds_plot(found: Mapping[str, Any], metric: Metric) -> bytes:
    """One metric of every seed as a point, their mean as a line, and every other system as a line with its name.

    Args:
        found: of `training.experiments.seed_figures`, with `seeds`.
    """
    spread = found["metrics"][metric.name]
    lines = {system: values[metric.name] for system, values in found["systems"].items() if metric.name in values}
    names = [str(one["seed"]) for one in found["seeds"]]
    with drawing(6.4, 3.4 + 0.12 * len(lines)) as (figure, axes, buffer):
        band = {"color": COLOURS[4], "alpha": 0.3, "linewidth": 0, "label": "± standard deviation"}
        axes.axhspan(spread["value"] - spread["sd"], spread["value"] + spread["sd"], **band)
        axes.axhline(spread["value"], color=COLOURS[5], linewidth=1, label="mean of the seeds")
        points = {"linestyle": "none", "marker": "o", "color": COLOURS[5], "label": "trained model, one seed"}
        axes.plot(range(len(names)), spread["values"], **points)
        for number, (system, value) in enumerate(lines.items()):
            style = LINE_STYLES[number % len(LINE_STYLES)]
            color = COLOURS[(0, 2, 3, 7)[number % 4]]
            axes.axhline(value, color=color, linestyle=style, linewidth=1.5, label=TITLES.get(system, short(system)))
        axes.set_xticks(range(len(names)), [f"{names[0]}\n(checkpoint)", *names[1:]])
        axes.margins(x=0.15, y=0.12)
        axes.set(xlabel="seed", ylabel=metric.title)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return buffer.getvalue()


def groups_plot(feature: str, groups: Mapping[str, Mapping[str, Any]], metric: Metric) -> bytes:
    """One metric of every group with its interval; groups without enough evidence are named and have no point.

    Args:
        groups: `{group: {"rows", "enough_evidence", metric.name: {"value", "low", "high"}}}`.
    """
    names = list(groups)
    with drawing(6.4, 1.0 + 0.36 * len(names)) as (_, axes, buffer):
        for place, name in enumerate(names):
            if groups[name]["enough_evidence"]:
                _point(axes, groups[name][metric.name], place, COLOURS[0])
            else:
                remark(axes, "not enough evidence", place)
        axes.set_yticks(range(len(names)), [f"{short(name)} ({groups[name]['rows']})" for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.margins(x=0.12)
        if not any(group["enough_evidence"] for group in groups.values()):
            _without_points(axes, metric)
        axes.set(xlabel=metric.title, ylabel=short(feature))
        axes.grid(axis="x", alpha=0.3)
    return buffer.getvalue()


def _without_points(axes: Any, metric: Metric) -> None:
    """The range of the metric; matplotlib's own around no point would show a score below 0."""
    if math.isfinite(metric.low) and math.isfinite(metric.high):
        axes.set_xlim(metric.low, metric.high)
    else:
        axes.set_xticks([])


def _point(axes: Any, found: Mapping[str, float], place: int, colour: str) -> None:
    value = found["value"]
    axes.errorbar(value, place, xerr=around(found), fmt="o", color=colour, capsize=4)
    axes.annotate(f"{value:.3f}", (value, place), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8)
