"""Pictures of how sure a model is and where it is worse, as PNG bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

from ft_platform.evaluation.metric import Metric
from ft_platform.reporting.figure import COLOURS, around, drawing, remark, short

MOST_PARTS = 25


def calibration_plot(found: Mapping[str, Any]) -> bytes:
    """Left: accuracy against confidence by bin, the area of a point its records. Right: accuracy against the share of
    records that are answered.

    Args:
        found: of `evaluation.calibration.calibration`.
    """
    with drawing(7.2, 3.4) as (figure, axes, buffer):
        axes.remove()
        left, right = figure.subplots(1, 2)
        bins, most = found["bins"], max(one["rows"] for one in found["bins"])
        left.plot([0, 1], [0, 1], linestyle=":", color="grey", label="as sure as right")
        points = [one["confidence"] for one in bins], [one["accuracy"] for one in bins]
        left.plot(*points, color=COLOURS[0], linewidth=1)
        left.scatter(*points, s=[12 + 120 * one["rows"] / most for one in bins], color=COLOURS[0])
        title = f"calibration error {found['ece']['value']:.3f}"
        left.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy", title=title)
        left.legend(frameon=False, fontsize=8, loc="upper left")
        chosen = found["selective"]
        values = [one["accuracy"] for one in chosen]
        errors = [[a["value"] - a["low"] for a in values], [a["high"] - a["value"] for a in values]]
        across, up = [one["coverage"] for one in chosen], [a["value"] for a in values]
        right.errorbar(across, up, yerr=errors, fmt="o-", color=COLOURS[5], capsize=3)
        right.set(xlim=(0, 1.05), ylim=(0, 1.02), title="surest records first")
        right.set(xlabel="share of records answered", ylabel="accuracy on them")
    return buffer.getvalue()


def slices_plot(
    slices: Sequence[Mapping[str, Any]], metric: Metric, overall: Mapping[str, Mapping[str, float]], confidence: float
) -> bytes:
    """Score of each part with its interval, the worst on top; the dotted line is the whole test split. At most
    `MOST_PARTS` parts.

    Args:
        slices: of `evaluation.slices.slices`.
        overall: figures of the whole test split.
    """
    shown = [one for one in slices if one["enough_evidence"]][:MOST_PARTS]
    with drawing(7.2, 1.0 + 0.3 * max(len(shown), 1)) as (_, axes, buffer):
        for place, one in enumerate(shown):
            worse = one.get("p_corrected", 1.0) <= 1 - confidence and one["value"] < one["rest"]
            color = COLOURS[5] if worse else COLOURS[0]
            axes.errorbar(one["value"], place, xerr=around(one), fmt="s" if worse else "o", color=color, capsize=3)
        if metric.name in overall:
            axes.axvline(overall[metric.name]["value"], linestyle=":", color="grey")
        names = [f"{short(one['by'])}: {short(one['part'])} ({one['rows']})" for one in shown]
        axes.set_yticks(range(len(shown)), names, fontsize=8)
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        axes.set(xlabel=f"{metric.title} (squares: worse than the rest beyond chance)")
        axes.grid(axis="x", alpha=0.3)
        if not shown:
            remark(axes, "no part has enough test records")
    return buffer.getvalue()
