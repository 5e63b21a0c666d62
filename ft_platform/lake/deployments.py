"""What was deployed to the targets of a use case, by its records."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from ft_platform.lake.files import locked
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.settings.environment import Environment

STAGE, FILE = "deployment", "deployment.json"
STAYS = "not_taken_away"
"""The verdict that `ft deploy --remove` leaves on the newest deployment to a target: failed."""
ROLLED_OUT = "rolled_out"
"""The verdict at the end of a rollout: passed if the release got all the traffic, failed if it lost its share."""


@dataclass(frozen=True)
class Deployment:
    """One switch of the traffic of a target; `record`: `deployment.json`."""

    version: ArtifactVersion
    record: Mapping[str, Any]


def deployments(lake: Lake, use_case: str, target: str | None = None) -> list[Deployment]:
    """Those to one target, or to all, newest first."""
    found = [one for one in lake.artifacts(use_case, STAGE) if target in (None, lake.manifest(one).info["target"])]
    return [Deployment(one, json.loads(lake.read_file(one, FILE))) for one in found]


def deployed_to(lake: Lake, use_case: str, targets: Iterable[str]) -> list[str]:
    """Those of these targets that something was deployed to."""
    return [one for one in targets if deployments(lake, use_case, one)]


def had_traffic(lake: Lake, deployment: Deployment) -> bool:
    """Whether the release got all the traffic: at once, or at the end of its rollout."""
    if "rollout" not in deployment.record:
        return True
    verdict = lake.verdicts(deployment.version).get(ROLLED_OUT)
    return verdict is not None and verdict.passed


def newest_load_test(lake: Lake, checkpoint: ArtifactVersion) -> Deployment | None:
    """The deployment in which this very checkpoint was measured last; None: it never was.

    A later deployment of it to the same target repeats the figures of that one (`serving.deploying`) and measures
    nothing, so it is another switch and the same measurement.

    Raises:
        CorruptVersion: its bytes are not what the manifest says.
    """
    found = [
        one
        for one in deployments(lake, checkpoint.use_case)
        if one.record["checkpoint"]["content_hash"] == checkpoint.content_hash
    ]
    told = [(one.record["target"], one.record["load"]) for one in found]
    newest = next((one for place, one in enumerate(found) if told[place] not in told[place + 1 :]), None)
    if newest:
        lake.verify_artifact(newest.version)
    return newest


def candidate(lake: Lake, use_case: str, standing: Sequence[str]) -> str | None:
    """The newest release that stands, if something was deployed, but this release to no target yet. What was taken away
    from a target was not deployed to it.

    Args:
        standing: ids of the releases that stand, newest first.
    """
    had, emptied, known = set(), set(), deployments(lake, use_case)
    for one in known:
        verdict = lake.verdicts(one.version).get(STAYS)
        if verdict is not None and not verdict.passed:
            emptied.add(one.record["target"])
        if one.record["target"] not in emptied and had_traffic(lake, one):
            had.add(one.record["release"])
    return standing[0] if known and standing and standing[0] not in had else None


def alone(environment: Environment, use_case: str, target: str) -> AbstractContextManager[None]:
    """Others who would change the same target wait."""
    return locked(environment.lock("deploying", f"{use_case}.{target}"))
