"""The page and the picture of a canary audit."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.lake.draft import Draft
from ft_platform.reporting.privacy_plots import exposure_plot
from ft_platform.reporting.report_page import saved, write_report_page


def write_canary_report(folder: Path, draft: Draft, found: Mapping[str, Any]) -> None:
    """Fills `folder` with `canaries.json`, `exposure.png` and `report.html`."""
    (folder / "canaries.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    planted = {copies: bits for copies, bits in found["bits"].items() if copies != "0"}
    write_report_page(
        folder,
        draft,
        "canary_report.html",
        title=f"Planted secrets of {draft.use_case.name}",
        found=found,
        rows=[
            {"copies": copies, "secrets": len(planted[copies]), "bits": figure, "first": found["first_ranked"][copies]}
            for copies, figure in found["exposure_bits"].items()
        ],
        settings={
            **draft.use_case.settings.attacks.canaries.model_dump(mode="json"),
            "seed": draft.use_case.settings.attacks.seed,
        },
        pictures=saved(folder, {"exposure": exposure_plot(planted, found["bits"]["0"], found["max_bits"])}),
    )
