"""The evaluation that a release rests on."""

import json

from ft_platform.errors import VersionRefused
from ft_platform.lake.releases import Release
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion

FINE_TUNED = "fine_tuned"
"""The released model among the systems of an evaluation."""


def evaluation_behind(lake: Lake, release: Release) -> ArtifactVersion:
    """The evaluation report that the decision of a release rests on.

    Raises:
        VersionRefused: it is not in the lake any more.
    """
    name = release.version.use_case
    decision = lake.artifact(name, "release_decision", release.record["decision"]["id"])
    said = json.loads(lake.read_file(decision, "decision.json")) if decision else {"evidence": []}
    named = next((one["id"] for one in said["evidence"] if one["stage"] == "evaluation_report"), None)
    report = lake.artifact(name, "evaluation_report", named) if named else None
    if report is None:
        raise VersionRefused(f"the evaluation behind {release.id} is not in the lake")
    return report
