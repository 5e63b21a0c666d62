"""The page and the picture of a learning curve."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.lake.draft import Draft
from ft_platform.reporting.figure import COLOURS, drawing
from ft_platform.reporting.report_page import saved, write_report_page


def write_curve_report(folder: Path, draft: Draft, found: Mapping[str, Any]) -> None:
    """Fills `folder` with `learning_curve.json`, `learning_curve.png` and `report.html`."""
    (folder / "learning_curve.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    write_report_page(
        folder,
        draft,
        "learning_curve_report.html",
        title=f"Learning curve of {draft.use_case.name}",
        found=found,
        settings={
            "training": draft.use_case.settings.training.model_dump(mode="json"),
            "learning_curve": draft.use_case.settings.learning_curve.model_dump(mode="json"),
        },
        pictures=saved(folder, {"learning_curve": curve_plot(found)}),
    )


def curve_plot(found: Mapping[str, Any]) -> bytes:
    """Loss by training records with intervals, the fitted curve and its band up to twice the records."""
    from matplotlib.ticker import EngFormatter

    points, band = found["points"], found["band"]
    with drawing(6.4, 3.8) as (figure, axes, buffer):
        axes.fill_between(
            band["rows"],
            band["low"],
            band["high"],
            color=COLOURS[4],
            alpha=0.3,
            linewidth=0,
            label=f"{found['confidence']:.0%} interval",
        )
        axes.plot(band["rows"], band["value"], color=COLOURS[0], linewidth=1, label="fitted curve")
        values = [point["loss"]["value"] for point in points]
        errors = [
            [max(p["loss"]["value"] - p["loss"]["low"], 0) for p in points],
            [max(p["loss"]["high"] - p["loss"]["value"], 0) for p in points],
        ]
        axes.errorbar(
            [p["rows"] for p in points], values, yerr=errors, fmt="o", color=COLOURS[0], capsize=3, label="measured"
        )
        axes.axvline(points[-1]["rows"], linestyle=":", color="grey", label="all records")
        axes.set(xlabel="training records", ylabel="validation loss", xscale="log")
        axes.xaxis.set_major_formatter(EngFormatter())
        axes.xaxis.set_minor_formatter("")
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return buffer.getvalue()
