"""The versions that a version was made from."""

from ft_platform.lake.manifest import Parent
from ft_platform.lake.manifests import Manifests
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.stages import STAGES


def version_of_parent(lake: Manifests, use_case: str, parent: Parent) -> Version:
    """The handle of a version that a manifest names as its parent."""
    if parent.version is None:
        return ArtifactVersion(
            use_case, parent.name, parent.id, parent.content_hash, lake.uri("shared", use_case, parent.name, parent.id)
        )
    zone = STAGES[parent.name].zone
    return TableVersion(
        use_case,
        parent.name,
        zone,
        parent.version,
        parent.content_hash,
        0,
        lake.uri(zone, use_case, "tables", parent.name),
    )


def tables_behind(lake: Manifests, version: TableVersion) -> dict[str, TableVersion]:
    """Stage -> the table that a version was made from, itself left out.

    Raises:
        VersionRefused: one of them has no manifest any more.
    """
    found: dict[str, TableVersion] = {}
    for parent in lake.manifest(version).parents:
        behind = version_of_parent(lake, version.use_case, parent)
        assert isinstance(behind, TableVersion)
        found |= {parent.name: behind, **tables_behind(lake, behind)}
    return found
