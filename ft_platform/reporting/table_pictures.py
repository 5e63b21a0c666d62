"""Pictures about one version of a table, as an artifact that the portal shows: counts only, never a value."""

import hashlib
from collections.abc import Mapping

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.stages import PICTURES


def publish_pictures(lake: Lake, version: TableVersion, pictures: Mapping[str, bytes]) -> ArtifactVersion:
    """The pictures of a version: an existing artifact with the same ones, or a new one.

    Args:
        pictures: name -> PNG.
    """
    content = hashlib.sha256()
    for name, png in sorted(pictures.items()):
        content.update(name.encode() + hashlib.sha256(png).digest())
    inputs = content.hexdigest()[:16]
    artifact_id = f"{version.name}-{inputs[:12]}"
    if existing := lake.intact_artifact(version.use_case, PICTURES, artifact_id):
        return existing
    with lake.scratch(version.use_case, PICTURES) as folder:
        folder.mkdir(parents=True)
        for name, png in pictures.items():
            (folder / f"{name}.png").write_bytes(png)
        return lake.publish(
            version.use_case, PICTURES, artifact_id, folder, parents=[version], settings_hash=inputs, input_hash=inputs
        )
