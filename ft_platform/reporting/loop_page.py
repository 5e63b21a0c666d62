"""The page of a loop: its end in a sentence, the picture, then every event and day."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.reporting.html import page
from ft_platform.reporting.loop_plot import loop_plot
from ft_platform.reporting.loop_summary import closed, summary

PICTURE, REPORT = "loop.png", "report.html"


def write_loop_page(folder: Path, told: Mapping[str, Any]) -> Path:
    """`loop.png` and `report.html` with the picture inside. Returns the page.

    Args:
        told: `loop.story.to_dict`.
    """
    png, lines = loop_plot(told), summary(told)
    (folder / PICTURE).write_bytes(png)
    title = "The loop: a change, and the way back" if told["plan"]["share"] else "The loop without a change"
    text = page(
        "loop_page.html",
        title=title,
        told=told,
        good=closed(told),
        lines=lines,
        happened=[(day["day"], kind, said) for day in told["days"] for kind, said in day["events"].items()],
        pictures={"loop": png},
        alt_text=f"Accuracy over {len(told['days'])} days. {lines[0]}",
    )
    (folder / REPORT).write_text(text, encoding="utf-8")
    return folder / REPORT
