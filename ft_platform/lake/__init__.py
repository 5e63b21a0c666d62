"""Versioned tables, checkpoints and reports, each with a manifest that says what it was made from and whether it may be
used."""

from ft_platform.lake.manifest import Manifest, Verdict
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion

__all__ = ["ArtifactVersion", "Lake", "Manifest", "TableVersion", "Verdict", "open_lake"]
