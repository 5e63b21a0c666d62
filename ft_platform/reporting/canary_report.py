"""The page and the picture of a canary audit."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.reporting.html import page
from ft_platform.reporting.lineage import lineage_rows, manifests_behind
from ft_platform.reporting.privacy_plots import exposure_plot
from ft_platform.use_case.named import NamedUseCase


def write_canary_report(
    folder: Path, lake: Lake, use_case: NamedUseCase, artifact_id: str, splits: TableVersion, found: Mapping[str, Any]
) -> None:
    """Fills `folder` with `canaries.json`, `exposure.png` and `report.html`."""
    folder.mkdir(parents=True)
    (folder / "canaries.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    planted = {copies: bits for copies, bits in found["bits"].items() if copies != "0"}
    (folder / "exposure.png").write_bytes(exposure_plot(planted, found["bits"]["0"], found["max_bits"]))
    text = page(
        "canary_report.html",
        title=f"Planted secrets of {use_case.name}",
        use_case=use_case.name,
        artifact_id=artifact_id,
        written_at=now(),
        found=found,
        rows=[
            {"copies": copies, "secrets": len(planted[copies]), "bits": figure, "first": found["first_ranked"][copies]}
            for copies, figure in found["exposure_bits"].items()
        ],
        settings={**use_case.settings.attacks.canaries.model_dump(mode="json"), "seed": use_case.settings.attacks.seed},
        exposure=(folder / "exposure.png").read_bytes(),
        lineage=lineage_rows(manifests_behind(lake, [splits])),
    )
    (folder / "report.html").write_text(text, encoding="utf-8")
