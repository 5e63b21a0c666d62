"""The page and the picture of several trainings of one recipe."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ft_platform.evaluation.metric import Metric, metric
from ft_platform.evaluation.systems import TITLES
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import Version
from ft_platform.reporting.html import page
from ft_platform.reporting.lineage import lineage_rows, manifests_behind
from ft_platform.reporting.plots import seeds_plot
from ft_platform.use_case.named import NamedUseCase

PICTURE = "seeds.png"


def write_seed_report(
    folder: Path,
    lake: Lake,
    use_case: NamedUseCase,
    artifact_id: str,
    parents: Sequence[Version],
    found: Mapping[str, Any],
) -> None:
    """Adds `seeds.png` and `report.html` to `folder`."""
    main = metric(found["main_metric"])
    (folder / PICTURE).write_bytes(seeds_plot(found, main))
    text = page(
        "seed_report.html",
        title=f"Seed variation of {use_case.name}",
        use_case=use_case.name,
        artifact_id=artifact_id,
        written_at=now(),
        found=found,
        metrics=[(metric(name), values) for name, values in found["metrics"].items()],
        gains=gain_rows(found, main),
        main=main,
        training=use_case.settings.training.model_dump(mode="json"),
        picture=(folder / PICTURE).read_bytes(),
        lineage=lineage_rows(manifests_behind(lake, parents)),
    )
    (folder / "report.html").write_text(text, encoding="utf-8")


def gain_rows(found: Mapping[str, Any], main: Metric) -> list[tuple[str, Metric, Mapping[str, Any]]]:
    """(system, metric, gain) of every comparison, the main metric first."""
    differences: Mapping[str, Mapping[str, Any]] = found["differences"]
    rows = [
        (TITLES.get(system, system), metric(name), gain)
        for system, gains in differences.items()
        for name, gain in gains.items()
    ]
    return sorted(rows, key=lambda row: row[1].name != main.name)
