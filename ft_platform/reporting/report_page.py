"""The page of an artifact that is being made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ft_platform.lake.draft import Draft
from ft_platform.lake.manifest import now
from ft_platform.reporting.html import page
from ft_platform.reporting.lineage import lineage_rows, manifests_behind

REPORT = "report.html"


def write_report_page(folder: Path, draft: Draft, template: str, **values: Any) -> None:
    """`report.html`, with what every page says about its artifact.

    Args:
        values: for the template, beside `use_case`, `artifact_id`, `written_at` and `lineage`.
    """
    about = {"use_case": draft.use_case.name, "artifact_id": draft.id, "written_at": now()}
    behind = {} if "lineage" in values else {"lineage": lineage_rows(manifests_behind(draft.lake, draft.parents))}
    (folder / REPORT).write_text(page(template, **about, **behind, **values), encoding="utf-8")


def saved(folder: Path, pictures: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The same pictures, after each was written as `<name>.png`."""
    for name, png in pictures.items():
        (folder / f"{name}.png").write_bytes(png)
    return pictures
