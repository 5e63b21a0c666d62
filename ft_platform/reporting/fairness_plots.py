"""Pictures of the fairness report beside those of `plots`."""

from collections.abc import Mapping
from typing import Any

from ft_platform.reporting.figure import COLOURS, around, drawing, short

MARKERS = ("o", "s", "D")
TITLES = {"before": "without mitigation", "head": "head without mitigation", "mitigated": "with mitigation"}


def trade_off_plot(systems: Mapping[str, Mapping[str, Any]], quality: str, title: str, gap_title: str) -> bytes:
    """Quality against the gap of systems that have both, with intervals: what a mitigation costs and brings.

    Args:
        systems: of `mitigation_figures`.
        quality: metric on the horizontal axis, and `title` its words.
    """
    with drawing(6.4, 3.8) as (figure, axes, buffer):
        for number, (name, found) in enumerate((name, found) for name, found in systems.items() if found["gap"]):
            across, up = found["quality"][quality], found["gap"]
            errors = {"xerr": around(across), "yerr": around(up)}
            style = {"fmt": MARKERS[number % len(MARKERS)], "color": COLOURS[number], "capsize": 4}
            axes.errorbar(across["value"], up["value"], **errors, **style, label=TITLES.get(name, short(name)))
        axes.set(xlabel=f"{title} (further right is better)", ylabel=f"{gap_title}\n(lower is fairer)")
        axes.set_ylim(bottom=0)
        axes.margins(0.2)
        axes.grid(alpha=0.3)
        figure.legend(loc="outside lower center", ncols=len(MARKERS), frameon=False)
    return buffer.getvalue()
