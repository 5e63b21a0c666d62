"""The picture of a loop: accuracy over the days, and what happened on them."""

from collections.abc import Mapping
from typing import Any

from ft_platform.reporting.figure import COLOURS, around, drawing

EVENTS = {
    "change": "change",
    "alarm": "alarm",
    "retraining": "retraining",
    "shadow": "shadow",
    "canary": "canary",
    "switch": "switch",
}
"""Kind of an event -> its name in the picture. What happens on one evening stands below one another."""
KNOWN = (
    ("estimated", "estimated without labels", "o", COLOURS[1], -0.12),
    ("measured", "by feedback", "s", COLOURS[2], 0.12),
)


def loop_plot(told: Mapping[str, Any]) -> bytes:
    """Accuracy of each day: of all answers, estimated, and by feedback; events as lines with their names.

    Args:
        told: `loop.story.to_dict`.
    """
    days = told["days"]
    with drawing(9.0, 4.6) as (_, axes, buffer):
        axes.plot(
            range(len(days)), [day["accuracy"] for day in days], color=COLOURS[0], marker="D", label="all answers"
        )
        for name, title, marker, colour, aside in KNOWN:
            known = [(place, day[name]) for place, day in enumerate(days) if day[name].get("value") is not None]
            for number, (place, one) in enumerate(known):
                style = {"fmt": marker, "color": colour, "markersize": 4, "capsize": 2}
                label = title if number == 0 else None
                axes.errorbar(place + aside, one["value"], yerr=around(one), label=label, **style)
        of = next((day["measured"].get("of") for day in days if day["measured"].get("of") is not None), None)
        if of is not None:
            axes.axhline(of, linestyle=":", color="grey", label="evaluation of the first release")
        for place, day in enumerate(days):
            named = [EVENTS[kind] for kind in day["events"] if kind in EVENTS]
            if named:
                axes.axvline(place, linestyle="--", linewidth=0.8, color="#888888", zorder=0)
                axes.text(
                    place,
                    1.01,
                    "\n".join(named),
                    ha="center",
                    va="bottom",
                    fontsize=8,
                    transform=axes.get_xaxis_transform(),
                )
        axes.set(ylim=(0, 1), ylabel="share of right answers")
        axes.set_xticks(range(len(days)), [day["day"][5:] for day in days], fontsize=8)
        axes.legend(frameon=False, fontsize=8, loc="lower left")
    return buffer.getvalue()
