"""The versions that a report was made from, as the manifests tell."""

from collections.abc import Iterable
from typing import Any

from ft_platform.lake.manifest import Manifest
from ft_platform.lake.manifests import Manifests
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.versions import Version
from ft_platform.stages import STAGES


def manifests_behind(lake: Manifests, versions: Iterable[Version]) -> dict[str, Manifest]:
    """Stage -> manifest of `versions` and all they were made from, in the order the data flows; of several versions of
    a stage the nearest, as behind a checkpoint that was continued from another.

    Raises:
        VersionRefused: one of them has no manifest any more.
    """
    found: dict[str, Manifest] = {}
    open_versions = list(versions)
    while open_versions:
        version = open_versions.pop(0)
        if version.name not in found:
            found[version.name] = lake.manifest(version)
            open_versions += [
                version_of_parent(lake, version.use_case, parent) for parent in found[version.name].parents
            ]
    return {name: found[name] for name in STAGES if name in found}


def lineage_rows(manifests: dict[str, Manifest]) -> list[dict[str, Any]]:
    """One row per version for a report: what, which content, settings and code, when."""
    return [
        {
            "stage": name,
            "id": manifest.id,
            "rows": manifest.rows or None,
            "content_hash": manifest.content_hash,
            "settings_hash": manifest.settings_hash,
            "code": manifest.code,
            "written_at": manifest.written_at,
        }
        for name, manifest in manifests.items()
    ]
