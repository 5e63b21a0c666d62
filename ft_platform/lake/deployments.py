"""The deployments of a use case, by their records. `serving.deploying` makes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion

STAGE, FILE = "deployment", "deployment.json"


@dataclass(frozen=True)
class Deployment:
    """One switch of the traffic of a target; `record`: `deployment.json`."""

    version: ArtifactVersion
    record: Mapping[str, Any]


def deployments(lake: Lake, use_case: str, target: str | None = None) -> list[Deployment]:
    """Those to one target, or to all, newest first."""
    found = [one for one in lake.artifacts(use_case, STAGE) if target in (None, lake.manifest(one).info["target"])]
    return [Deployment(one, json.loads(lake.read_file(one, FILE))) for one in found]


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
