"""Pictures of an evaluation, as PNG bytes. They hold counts and scores, never a record's text."""

from collections.abc import Mapping, Sequence
from typing import Any

from ft_platform.evaluation.systems import TITLES
from ft_platform.reporting.figure import COLOURS, drawing, short

MOST_NUMBERED_LABELS = 15
"""Above, a cell of the confusion matrix is too small for its number."""


def funnel_plot(funnel: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows kept and removed, by reason, at each stage.

    Args:
        funnel: `[{"stage", "rows_in", "kept", "removed": {reason: count}}]`.
    """
    reasons = list(dict.fromkeys(reason for stage in funnel for reason in stage["removed"]))
    with drawing(7.2, 1.2 + 0.42 * len(funnel)) as (_, axes, buffer):
        for place, stage in enumerate(funnel):
            axes.barh(place, stage["kept"], color=COLOURS[0])
            left = stage["kept"]
            for reason, count in stage["removed"].items():
                axes.barh(
                    place,
                    count,
                    left=left,
                    color=COLOURS[1 + reasons.index(reason) % (len(COLOURS) - 1)],
                    hatch="//" if reasons.index(reason) >= len(COLOURS) - 1 else None,
                )
                left += count
            axes.text(left, place, f" {stage['kept']:,} of {stage['rows_in']:,}", va="center")
        axes.set_yticks(range(len(funnel)), [short(stage["stage"]) for stage in funnel])
        axes.invert_yaxis()
        axes.margins(x=0.18)
        axes.set_xlabel("records")
        _legend_of_reasons(axes, reasons)
    return buffer.getvalue()


def _legend_of_reasons(axes: Any, reasons: list[str]) -> None:
    from matplotlib.patches import Patch

    names = [("kept", COLOURS[0]), *((short(r), COLOURS[1 + i % (len(COLOURS) - 1)]) for i, r in enumerate(reasons))]
    axes.legend(
        handles=[Patch(color=colour, label=name) for name, colour in names],
        loc="upper center",
        bbox_to_anchor=(0.45, -0.35),
        ncols=4,
        frameon=False,
        fontsize=8,
    )


def confusion_matrix_plot(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> bytes:
    """True labels down, predicted labels across; shade is the share of the true label."""
    import numpy as np

    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = min(12.0, 2.6 + 0.42 * len(labels)) if len(labels) <= MOST_NUMBERED_LABELS else min(12.0, 3 + 0.16 * len(labels))
    with drawing(size + 1.2, size) as (figure, axes, buffer):
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        ticks = range(len(labels))
        small = 8 if len(labels) <= MOST_NUMBERED_LABELS else 5
        axes.set_xticks(ticks, [short(label) for label in labels], rotation=90, fontsize=small)
        axes.set_yticks(ticks, [short(label) for label in labels], fontsize=small)
        axes.set(xlabel="predicted", ylabel="true")
        if len(labels) <= MOST_NUMBERED_LABELS:
            for (row, column), count in np.ndenumerate(counts):
                if count:
                    axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color="white" if shares[row, column] > 0.5 else "black")
        figure.colorbar(image, ax=axes, label="share of the true label", shrink=0.8)
    return buffer.getvalue()


def per_label_plot(per_class: Mapping[str, Mapping[str, Mapping[str, float]]], systems: Sequence[str]) -> bytes:
    """F1 per label of some systems, labels in order of their number of test records.

    Args:
        per_class: `{system: {label: {"f1", "support", ...}}}`.
        systems: which to show.
    """
    last = per_class[systems[-1]]
    labels = sorted({label for system in systems for label in per_class[system]}, key=lambda name: (-last.get(name, {}).get("support", 0), name))
    height = 0.8 / len(systems)
    with drawing(7.2, 1.2 + (0.16 + 0.14 * len(systems)) * len(labels)) as (_, axes, buffer):
        for number, system in enumerate(systems):
            values = [per_class[system].get(label, {}).get("f1", 0.0) for label in labels]
            axes.barh(
                [place + number * height for place in range(len(labels))], values, height=height, color=COLOURS[number], label=TITLES.get(system, short(system))
            )
        names = [f"{short(label)} ({int(last.get(label, {}).get('support', 0))})" for label in labels]
        axes.set_yticks([place + 0.4 - height / 2 for place in range(len(labels))], names, fontsize=8)
        axes.invert_yaxis()
        axes.set(xlim=(0, 1), xlabel="F1 (in brackets: test records)")
        axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.08 - 0.6 / len(labels)), ncols=len(systems), frameon=False)
    return buffer.getvalue()


def systems_plot(systems: Mapping[str, Mapping[str, Mapping[str, float]]], metric: str, title: str) -> bytes:
    """One metric of every system with its interval."""
    names = list(systems)
    with drawing(6.4, 1.0 + 0.36 * len(names)) as (_, axes, buffer):
        for place, name in enumerate(names):
            _point(axes, systems[name][metric], place, COLOURS[5] if name == "fine_tuned" else COLOURS[0])
        axes.set_yticks(range(len(names)), [TITLES.get(name, short(name)) for name in names])
        axes.invert_yaxis()
        axes.margins(y=0.2, x=0.12)
        axes.set_xlabel(title)
        axes.grid(axis="x", alpha=0.3)
    return buffer.getvalue()


def groups_plot(feature: str, groups: Mapping[str, Mapping[str, Any]], metric: str, title: str) -> bytes:
    """One metric of every group with its interval; groups without enough evidence are named and have no point.

    Args:
        groups: `{group: {"rows", "enough_evidence", metric: {"value", "low", "high"}}}`.
    """
    names = list(groups)
    with drawing(6.4, 1.0 + 0.36 * len(names)) as (_, axes, buffer):
        for place, name in enumerate(names):
            if groups[name]["enough_evidence"]:
                _point(axes, groups[name][metric], place, COLOURS[0])
            else:
                axes.text(0.5, place, "not enough evidence", transform=axes.get_yaxis_transform(), ha="center", va="center", style="italic", color="#555555")
        axes.set_yticks(range(len(names)), [f"{short(name)} ({groups[name]['rows']})" for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.margins(x=0.12)
        axes.set(xlabel=title, ylabel=short(feature))
        axes.grid(axis="x", alpha=0.3)
    return buffer.getvalue()


def _point(axes: Any, found: Mapping[str, float], place: int, colour: str) -> None:
    value, low, high = found["value"], found["low"], found["high"]
    axes.errorbar(value, place, xerr=[[max(value - low, 0)], [max(high - value, 0)]], fmt="o", color=colour, capsize=4)
    axes.annotate(f"{value:.3g}", (value, place), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8)
