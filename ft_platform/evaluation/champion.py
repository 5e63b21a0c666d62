"""The champion: the checkpoint of the newest release of a use case that was not withdrawn."""

from ft_platform.errors import VersionRefused
from ft_platform.lake.releases import standing_releases
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion


def champion(lake: Lake, use_case: str, beside: ArtifactVersion | None = None) -> ArtifactVersion | None:
    """The checkpoint that was released last, or None where nothing was released yet.

    Args:
        use_case: name of the use case.
        beside: a checkpoint that is to be compared: releases of itself are passed over, so that its evaluation names
            the same champion before and after it is released.

    Raises:
        VersionRefused: a release is damaged or names no checkpoint that is in the lake: nobody can tell what the
            champion is.
    """
    for release in standing_releases(lake, use_case):
        if beside is not None and release.checkpoint == beside.artifact_id:
            continue
        made = lake.artifacts(use_case, "adapter_checkpoint")
        found = next((one for one in made if one.artifact_id == release.checkpoint), None)
        if found is None:
            raise VersionRefused(
                f"{release.id} of {use_case} is of a checkpoint that is not in the lake",
                f"Restore the checkpoint, or run: ft withdraw {use_case} {release.id} --reason <why>",
            )
        return found
    return None
