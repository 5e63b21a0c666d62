"""The champion: the checkpoint that the newest accepted release decision of a use case is about."""

import json
from collections.abc import Iterator

from ft_platform.errors import CorruptVersion, VersionRefused
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion

DECISION_STAGE, DECISION_FILE = "release_decision", "decision.json"


def champion(lake: Lake, use_case: str, beside: ArtifactVersion | None = None) -> ArtifactVersion | None:
    """The checkpoint of the newest accepted release decision, or None where nothing was accepted yet.

    Args:
        use_case: name of the use case.
        beside: a checkpoint that is to be compared: decisions about itself are passed over, so that its evaluation
            names the same champion before and after it is accepted.

    Raises:
        VersionRefused: that decision is damaged or names no checkpoint that is in the lake: nobody can tell what the
            champion is.
    """
    for decision, named in _accepted(lake, use_case):
        if beside is not None and named == beside.artifact_id:
            continue
        found = next((one for one in lake.artifacts(use_case, "adapter_checkpoint") if one.artifact_id == named), None)
        if found is None:
            raise VersionRefused(
                f"the accepted decision {decision.id} of {use_case} is about a checkpoint that is not in the lake",
                f"Restore the checkpoint, or remove {decision.uri} if that model is out of use",
            )
        return found
    return None


def _accepted(lake: Lake, use_case: str) -> Iterator[tuple[ArtifactVersion, str]]:
    """Accepted decisions, newest first, with the id of their checkpoint."""
    for decision in lake.artifacts(use_case, DECISION_STAGE):
        try:
            lake.verify_artifact(decision)
            said = json.loads(lake.read_file(decision, DECISION_FILE))
            accepted, named = said["decision"] == "accepted", said.get("checkpoint")
        except (CorruptVersion, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise VersionRefused(
                f"release decision {decision.id} of {use_case} cannot be read ({type(error).__name__}), so nobody can"
                " tell what the champion is",
                f"Restore {decision.uri} or remove it, then run this step again",
            ) from None
        if accepted:
            yield decision, named if isinstance(named, str) else ""
