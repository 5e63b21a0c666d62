"""How many records each stage got, kept and removed, and why."""

from collections.abc import Mapping
from typing import Any

from ft_platform.lake.manifest import Manifest
from ft_platform.lake.store import Lake
from ft_platform.stages import STAGES

TABLES = tuple(stage.name for stage in STAGES.values() if stage.kind == "table")


def funnel(lake: Lake, use_case: str) -> list[dict[str, Any]]:
    """`[{"stage", "rows_in", "kept", "removed": {reason: count}}]` of the newest version of each stage that has one."""
    newest = {name: next(lake.manifests(use_case, name), None) for name in TABLES}
    return funnel_of({name: manifest for name, manifest in newest.items() if manifest is not None})


def funnel_of(manifests: Mapping[str, Manifest]) -> list[dict[str, Any]]:
    """The same for given versions, e.g. those behind a report. A stage that notes no funnel kept all it read."""
    found = [manifests[name] for name in TABLES if name in manifests]
    return [
        m.counts.get("funnel") or {"stage": m.name, "rows_in": m.rows, "kept": m.rows, "removed": {}} for m in found
    ]
