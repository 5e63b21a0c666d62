"""The page and the picture of several trainings of one recipe."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.evaluation.metric import Metric, metric
from ft_platform.evaluation.systems import TITLES
from ft_platform.lake.draft import Draft
from ft_platform.reporting.plots import seeds_plot
from ft_platform.reporting.report_page import saved, write_report_page


def write_seed_report(folder: Path, draft: Draft, found: Mapping[str, Any]) -> None:
    """Adds `seeds.png` and `report.html` to `folder`."""
    main = metric(found["main_metric"])
    write_report_page(
        folder,
        draft,
        "seed_report.html",
        title=f"Seed variation of {draft.use_case.name}",
        found=found,
        metrics=[(metric(name), values) for name, values in found["metrics"].items()],
        gains=gain_rows(found, main),
        main=main,
        training=draft.use_case.settings.training.model_dump(mode="json"),
        pictures=saved(folder, {"seeds": seeds_plot(found, main)}),
    )


def gain_rows(found: Mapping[str, Any], main: Metric) -> list[tuple[str, Metric, Mapping[str, Any]]]:
    """(system, metric, gain) of every comparison, the main metric first."""
    differences: Mapping[str, Mapping[str, Any]] = found["differences"]
    rows = [
        (TITLES.get(system, system), metric(name), gain)
        for system, gains in differences.items()
        for name, gain in gains.items()
    ]
    return sorted(rows, key=lambda row: row[1].name != main.name)
