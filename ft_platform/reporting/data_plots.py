"""Pictures of data, as PNG bytes: counts, lengths, balance, k-anonymity. They hold counts and names of values, never a
record's text."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ft_platform.records.columns import SIDES
from ft_platform.records.profiling.lengths import Lengths, bin_end
from ft_platform.reporting.figure import COLOURS, drawing, remark, short

MOST_BARS = 30
LINEAR_BELOW = 40
"""Lengths up to this one have a linear axis."""
MOST_TICKS = 12


def counts_plot(counts: Mapping[str, int], xlabel: str, *, of: int | None = None) -> bytes:
    """One bar per name, the largest first; with more than `MOST_BARS` names the rest is one bar.

    Args:
        of: what the counts are a part of; shown as a share beside each bar.
    """
    shown = _largest(counts)
    with drawing(6.4, 0.9 + 0.3 * max(len(shown), 1)) as (_, axes, buffer):
        for place, count in enumerate(shown.values()):
            axes.barh(place, count, color=COLOURS[0])
            share = f" ({100 * count / of:.1f} %)" if of else ""
            axes.text(count, place, f" {count:,}{share}", va="center", fontsize=8)
        axes.set_yticks(range(len(shown)), [short(name) for name in shown])
        axes.set_ylim(max(len(shown), 1) - 0.4, -0.6)
        # Right of the longest bar is its text.
        axes.set(xlabel=xlabel, xlim=(0, 1.25 * max([*shown.values(), 1])))
        _count_axis(axes)
        if not shown:
            remark(axes, "none")
    return buffer.getvalue()


def entity_counts_plot(entities: Mapping[str, int]) -> bytes:
    """How many findings of each entity were replaced."""
    return counts_plot(entities, "findings replaced")


def lengths_plot(lengths: Lengths, xlabel: str, before: Lengths | None = None) -> bytes:
    """Share of the rows by length, and the version before as a line."""
    with drawing(6.4, 2.6) as (figure, axes, buffer):
        both = [found for found in (lengths, before) if found and found.rows]
        smallest = min((found.smallest for found in both), default=0)
        largest = max((found.largest for found in both), default=1)
        bins: Any = np.arange(smallest, largest + 2) - 0.5
        if largest > LINEAR_BELOW:
            axes.set_xscale("log")
            bins = _half_doublings(smallest, largest)
        axes.hist(**_weighted(lengths, bins), color=COLOURS[0], label="this version")
        if before and before.rows:
            step = {"histtype": "step", "color": COLOURS[5], "linewidth": 1.5, "label": "version before"}
            axes.hist(**_weighted(before, bins), **step)
            figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
        axes.set(xlabel=xlabel, ylabel="share of records", xlim=(bins[0], bins[-1]))
        if largest > LINEAR_BELOW:
            from matplotlib.ticker import EngFormatter

            # Powers of ten would be a single tick where all lengths lie in one decade.
            doublings = [edge for edge in bins if math.log2(edge).is_integer()]
            shown = doublings[:: math.ceil(len(doublings) / MOST_TICKS)]
            write = EngFormatter(places=0, sep="")
            axes.set_xticks(shown, [write(edge) if edge >= 1 else "0" for edge in shown])
            axes.minorticks_off()
    return buffer.getvalue()


def split_balance_plot(sides: Mapping[str, Mapping[str, int]]) -> bytes:
    """How the records of each label are divided among the sides; the labels with the most records first.

    Args:
        sides: `{label: {side: rows}}`.
    """
    rows = {label: sum(found.values()) for label, found in sides.items()}
    labels = list(_largest(rows, others=False))
    all_rows = max(sum(rows.values()), 1)
    with drawing(7.2, 1.2 + 0.3 * max(len(labels), 1)) as (figure, axes, buffer):
        left = np.zeros(len(labels))
        edge = 0.0
        for side, colour in zip(SIDES, COLOURS, strict=False):
            widths = np.array([sides[label].get(side, 0) / max(rows[label], 1) for label in labels])
            axes.barh(range(len(labels)), widths, left=left, color=colour, label=side)
            left += widths
            edge += sum(found.get(side, 0) for found in sides.values()) / all_rows
            if side != SIDES[-1]:
                axes.axvline(edge, color="black", linewidth=0.8, linestyle=":")
        names = [f"{short(label) or 'all records'} ({rows[label]:,})" for label in labels]
        axes.set_yticks(range(len(labels)), names, fontsize=8)
        axes.set_ylim(max(len(labels), 1) - 0.4, -0.6)
        axes.set(xlim=(0, 1), xlabel="share of the label's records (dotted: of all records)")
        figure.legend(loc="outside lower center", ncols=len(SIDES), frameon=False, fontsize=8)
    return buffer.getvalue()


def k_anonymity_plot(counts: Mapping[str, Any], rows: int) -> bytes:
    """Rows that were alone with their combination of quasi-identifiers, before and after, and rows that were left out.

    Args:
        counts: of `privacy.k_anonymity.Plan`.
        rows: records before.
    """
    before, after = counts["unique_rows_before"], counts["unique_rows_after"]
    bars = {"alone before": before, "alone after": after, "left out": counts["rows_removed"]}
    levels = [f"{short(column)}: level {level}" for column, level in counts["levels"].items()]
    title = (
        f"k = {number_or_none(counts['k'])} (required {counts['required_k']}), l-diversity"
        f" {number_or_none(counts['l_diversity'])}"
    )
    with drawing(6.4, 1.9 + 0.16 * len(levels)) as (_, axes, buffer):
        for place, (name, count) in enumerate(bars.items()):
            axes.barh(place, count, color=COLOURS[5] if name == "left out" else COLOURS[0])
            axes.text(count, place, f" {count:,} ({100 * count / max(rows, 1):.1f} %)", va="center", fontsize=8)
        axes.set_yticks(range(len(bars)), list(bars))
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set(xlim=(0, 1.3 * max([*bars.values(), 1])), xlabel="\n".join(["records", *levels]))
        axes.set_title(title, fontsize=10)
        _count_axis(axes)
    return buffer.getvalue()


def number_or_none(value: int | None) -> str:
    return "not known" if value is None else f"{value:,}"


def _count_axis(axes: Any) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.xaxis.set(major_locator=MaxNLocator(nbins=6, integer=True), major_formatter=EngFormatter(sep=""))


def _largest(counts: Mapping[str, int], *, others: bool = True) -> dict[str, int]:
    """The largest counts, the first by name among equal ones, and the sum of the others."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ordered) <= MOST_BARS:
        return dict(ordered)
    if not others:
        return dict(ordered[:MOST_BARS])
    rest = ordered[MOST_BARS - 1 :]
    return {**dict(ordered[: MOST_BARS - 1]), f"{len(rest):,} others": sum(count for _, count in rest)}


def _half_doublings(smallest: int, largest: int) -> np.ndarray:
    """Bins whose bounds are bounds of the bins of `Lengths`, so that none gets the rows of its neighbour; 0 has one of
    its own."""
    first, last = math.floor(2 * math.log2(max(smallest, 0.5))), math.ceil(2 * math.log2(largest + 1))
    steps = [step for step in range(first, last + 1) if step not in (-1, 1)]  # no whole number is in sqrt(2) to 2
    return 2.0 ** (np.array(steps) / 2)


def _weighted(lengths: Lengths, bins: np.ndarray) -> dict[str, Any]:
    """Arguments of `Axes.hist` for the shares of rows in these bins."""
    edges = sorted(lengths.histogram)
    middles = [float(np.clip((edge + bin_end(edge) - 1) / 2, bins[0], bins[-1])) for edge in edges]
    return {"x": middles, "bins": bins, "weights": [lengths.histogram[edge] / lengths.rows for edge in edges]}
