"""Pictures of what a model is worth, as PNG bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

from ft_platform.reporting.figure import COLOURS, around, drawing, remark, short
from ft_platform.reporting.roi_words import TITLES, amount, improved

MONTHS = 24


def change_plot(figures: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Change of each figure in percent of before, with its interval; squares are worse, circles better or not told
    apart."""
    names = [name for name in TITLES if name in figures]
    with drawing(7.2, 1.1 + 0.42 * len(names)) as (_, axes, buffer):
        for place, name in enumerate(names):
            found = figures[name]["relative"]
            if found is None:
                told = figures[name]["status"] if figures[name]["difference"] is None else "no percentage of 0"
                remark(axes, told, place)
                continue
            percent = {key: 100 * found[key] for key in ("value", "low", "high")}
            value, worse = percent["value"], improved(figures[name]) is False
            color = COLOURS[5] if worse else COLOURS[0]
            axes.errorbar(value, place, xerr=around(percent), fmt="s" if worse else "o", color=color, capsize=4)
            above = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center", "fontsize": 8}
            axes.annotate(f"{value:+.1f} %", (value, place), **above)
        axes.axvline(0, linestyle=":", color="grey")
        names_shown = [
            f"{TITLES[name]} ({'higher' if figures[name]['higher_is_better'] else 'lower'} is better)" for name in names
        ]
        axes.set_yticks(range(len(names)), names_shown)
        axes.set_ylim(len(names) - 0.5, -0.7)
        axes.margins(x=0.15)
        axes.set_xlabel("change in percent (squares: worse)")
        axes.grid(axis="x", alpha=0.3)
    return buffer.getvalue()


def tornado_plot(rows: Sequence[Mapping[str, Any]], saved: float, currency: str) -> bytes:
    """Savings per month when one quantity alone moves to its low (hatched) and its high end, the most telling on top.

    Args:
        rows: of `monitoring.business.returns.sensitivity`.
        saved: savings per month where nothing moves.
    """
    from matplotlib.patches import Patch

    rows = [row for row in rows if row["saving_at_low"] != row["saving_at_high"]]
    with drawing(7.2, 1.3 + 0.36 * len(rows)) as (figure, axes, buffer):
        for place, row in enumerate(rows):
            for end, style in (("low", {"color": COLOURS[1], "hatch": "///"}), ("high", {"color": COLOURS[0]})):
                width = row[f"saving_at_{end}"] - saved
                axes.barh(place, width, left=saved, height=0.6, edgecolor="white", linewidth=0, **style)
        axes.axvline(saved, color="black", linewidth=1)
        if axes.get_xlim()[0] < 0 < axes.get_xlim()[1]:
            axes.axvline(0, color="grey", linestyle=":")
        labels = [
            f"{short(row['name'])}: {amount(row['low'])} to"
            f" {amount(row['high'])}{'' if row['assumption'] else ' (measured)'}"
            for row in rows
        ]
        axes.set_yticks(range(len(rows)), labels, fontsize=8)
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if abs(value) >= 10 else f"{value:g}")
        axes.set_xlabel(f"savings per month, {currency}")
        handles = [
            Patch(facecolor=COLOURS[1], hatch="///", edgecolor="white", label="at the low end"),
            Patch(facecolor=COLOURS[0], label="at the high end"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return buffer.getvalue()


def payback_plot(saved: Mapping[str, float], invested: Mapping[str, float], currency: str) -> bytes:
    """Savings minus investment by month, with the band of the intervals of both."""
    months = list(range(MONTHS + 1))
    low = (saved["low"], invested["high"])
    ends = {"value": (saved["value"], invested["value"]), "low": low, "high": (saved["high"], invested["low"])}
    lines = {name: [month * gain - cost for month in months] for name, (gain, cost) in ends.items()}
    with drawing(6.4, 3.2) as (_, axes, buffer):
        axes.fill_between(months, lines["low"], lines["high"], color=COLOURS[4], alpha=0.3, linewidth=0)
        axes.plot(months, lines["value"], color=COLOURS[0])
        axes.axhline(0, linestyle=":", color="grey")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if abs(value) >= 10 else f"{value:g}")
        axes.set(xlabel="months since the investment", ylabel=f"savings minus investment, {currency}", xlim=(0, MONTHS))
    return buffer.getvalue()
