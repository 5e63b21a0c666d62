"""The champion: the checkpoint that was accepted last."""

import json

from ft_platform.lake import ArtifactVersion, Lake
from ft_platform.use_case import NamedUseCase


def champion(lake: Lake, use_case: NamedUseCase, *, other_than: ArtifactVersion | None = None) -> ArtifactVersion | None:
    """The checkpoint of the newest decision that accepted one; None where none was.

    Args:
        other_than: a checkpoint that does not compete with itself.

    Raises:
        CorruptVersion: a decision or the checkpoint it names was altered.
    """
    for decision in lake.artifacts(use_case.name, "release_decision"):
        lake.verify_artifact(decision)
        found = json.loads(lake.read_file(decision, "decision.json"))
        if found["decision"] != "accepted" or (other_than is not None and found["checkpoint"] == other_than.artifact_id):
            continue
        checkpoint = lake.artifact(use_case.name, "adapter_checkpoint", found["checkpoint"])
        if checkpoint is not None:
            return checkpoint
    return None
