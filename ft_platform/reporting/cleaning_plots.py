"""Pictures of cleaning, as PNG bytes: what was repaired, and how long texts were before and after. They hold counts,
never a record's text."""

from collections.abc import Mapping, Sequence

from ft_platform.reporting.figure import COLOURS, drawing


def changes_plot(changed: Mapping[str, int], rows: int) -> bytes:
    """Records whose texts were changed, by kind of change; a record may have several.

    Args:
        changed: kind -> records.
        rows: records that came in.
    """
    from matplotlib.ticker import EngFormatter, MaxNLocator

    with drawing(7.2, 1.1 + 0.34 * len(changed)) as (_, axes, buffer):
        bars = axes.barh(list(changed), list(changed.values()), color=COLOURS[0])
        axes.bar_label(bars, [f" {count:,} ({count / max(rows, 1):.1%})" for count in changed.values()])
        axes.invert_yaxis()
        axes.set(xlabel=f"changed records of {rows:,}", xlim=(0, 1.25 * max(changed.values(), default=0) or 1))
        axes.xaxis.set(major_locator=MaxNLocator(integer=True), major_formatter=EngFormatter())
    return buffer.getvalue()


def lengths_plot(edges: Sequence[int], before: Sequence[int], after: Sequence[int]) -> bytes:
    """How many records have texts of which length, before cleaning and, of those that were kept, after it.

    Args:
        edges: shortest length of each bin, in characters. Shape `(bins,)`.
        before, after: records in each bin. Shape `(bins,)`.
    """
    from matplotlib.ticker import EngFormatter, MaxNLocator

    used = [place for place, counts in enumerate(zip(before, after, strict=True)) if any(counts)] or [0]
    shown = range(used[0], used[-1] + 1)
    with drawing(7.2, 2.6) as (_, axes, buffer):
        for number, (name, counts) in enumerate((("before cleaning", before), ("after cleaning, kept records", after))):
            places = [place + 0.4 * number - 0.2 for place in shown]
            axes.bar(places, [counts[place] for place in shown], width=0.4, color=COLOURS[number], label=name)
        axes.set_xticks(list(shown), [f"{edges[place]:,}" for place in shown])
        axes.set(xlabel="characters of the user's text, at least", ylabel="records")
        axes.yaxis.set(major_locator=MaxNLocator(integer=True), major_formatter=EngFormatter())
        axes.legend(frameon=False)
    return buffer.getvalue()
