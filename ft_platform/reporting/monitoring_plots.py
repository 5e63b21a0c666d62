"""Pictures of monitored days, as PNG bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

from ft_platform.reporting.figure import COLOURS, drawing, remark, short

MOST_LABELS = 15
ABOVE: Any = {"frameon": False, "fontsize": 8, "ncols": 3, "loc": "lower right", "bbox_to_anchor": (1, 0.97)}
"""A legend that covers nothing."""


def days_plot(days: Sequence[Mapping[str, Any]], target_seconds: float | None, accuracy: Mapping[str, Any]) -> bytes:
    """One below the other, day by day: requests, seconds, accuracy as estimated without labels.

    Args:
        days: `{"day", "requests", "errors", "p95_seconds", "value", "low", "high"}`, oldest first.
        accuracy: `{"of", "measured", "low", "high"}`: of the evaluation, and by feedback on the last day.
    """
    with drawing(7.2, 5.8) as (figure, axes, buffer):
        axes.remove()
        volume, seconds, right = figure.subplots(3, 1, sharex=True)
        places = range(len(days))
        volume.bar(places, [one["requests"] for one in days], color=COLOURS[0], label="requests")
        if any(one["errors"] for one in days):
            volume.bar(places, [one["errors"] for one in days], color=COLOURS[5], hatch="///", label="failed")
        volume.set_ylabel("requests")
        volume.legend(**ABOVE)
        known = [(place, one["p95_seconds"]) for place, one in enumerate(days) if one["p95_seconds"] is not None]
        seconds.plot(*zip(*known, strict=True), color=COLOURS[0], marker="o", markersize=3) if known else None
        if target_seconds is not None:
            seconds.axhline(target_seconds, linestyle=":", color=COLOURS[5], label="target")
            seconds.legend(**ABOVE)
        seconds.set_ylim(bottom=0)
        seconds.set_ylabel("seconds\n(95 of 100)")
        _accuracy(right, days, accuracy)
        step = max(1, len(days) // 8)
        right.set_xticks(list(places)[::step], [one["day"][5:] for one in days][::step], fontsize=8)
    return buffer.getvalue()


def _accuracy(axes: Any, days: Sequence[Mapping[str, Any]], accuracy: Mapping[str, Any]) -> None:
    known = [(place, one) for place, one in enumerate(days) if one["value"] is not None]
    if known:
        values = [one["value"] for _, one in known]
        ends = [[one["value"] - one["low"] for _, one in known], [one["high"] - one["value"] for _, one in known]]
        places = [place for place, _ in known]
        axes.errorbar(places, values, yerr=ends, fmt="o", markersize=3, capsize=2, color=COLOURS[0], label="estimated")
    if accuracy["measured"] is not None:
        span = [[accuracy["measured"] - accuracy["low"]], [accuracy["high"] - accuracy["measured"]]]
        place = [len(days) - 1]
        axes.errorbar(
            place, [accuracy["measured"]], yerr=span, fmt="s", color=COLOURS[5], capsize=2, label="by feedback"
        )
    if accuracy["of"] is not None:
        axes.axhline(accuracy["of"], linestyle=":", color="grey", label="evaluation")
    if not known and accuracy["measured"] is None:
        remark(axes, "not known")
    axes.set_ylabel("accuracy")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(**ABOVE)


def watched_plot(levels: Mapping[str, float], alarmed: Sequence[str]) -> bytes:
    """How far each measure is from an alarm; hatched bars have one."""
    names = sorted(levels, key=lambda name: levels[name])
    with drawing(7.2, 1.0 + 0.3 * max(len(names), 1)) as (_, axes, buffer):
        for place, name in enumerate(names):
            style = {"color": COLOURS[5], "hatch": "///"} if name in alarmed else {"color": COLOURS[0]}
            axes.barh(place, levels[name], edgecolor="white", linewidth=0, **style)
        axes.axvline(1, linestyle=":", color="black")
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        axes.set(xlim=(0, max(1.1, *levels.values()) if levels else 1.1))
        axes.set_xlabel("evidence of a change, on a logarithmic scale (1: alarm; hatched: it has one)")
        if not names:
            remark(axes, "nothing is watched yet")
    return buffer.getvalue()


def labels_plot(labels: Mapping[str, Mapping[str, float]]) -> bytes:
    """Share of each label in the test split, in the week before and on the day; those that moved most on top."""
    moved = sorted(labels, key=lambda name: -abs(labels[name]["day"] - labels[name]["test"]))[:MOST_LABELS]
    sides = {"test": ("test split", COLOURS[1]), "week": ("week before", COLOURS[4]), "day": ("this day", COLOURS[0])}
    with drawing(7.2, 1.2 + 0.45 * len(moved)) as (figure, axes, buffer):
        for number, (side, (title, color)) in enumerate(sides.items()):
            places = [place + 0.27 * number for place in range(len(moved))]
            axes.barh(places, [labels[name][side] for name in moved], height=0.27, color=color, label=title)
        axes.set_yticks([place + 0.27 for place in range(len(moved))], [short(name) for name in moved], fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel("share of answers")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return buffer.getvalue()
