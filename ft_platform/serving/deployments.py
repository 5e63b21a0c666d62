"""What was deployed to a target, by its records."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from ft_platform.lake.files import locked
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.settings.environment import Environment

STAGE, FILE = "deployment", "deployment.json"


@dataclass(frozen=True)
class Deployment:
    """One switch of the traffic of a target; `record`: `deployment.json`."""

    version: ArtifactVersion
    record: Mapping[str, Any]


def deployments(lake: Lake, use_case: str, target: str) -> list[Deployment]:
    """Those to one target, newest first."""
    found = [one for one in lake.artifacts(use_case, STAGE) if lake.manifest(one).info["target"] == target]
    return [Deployment(one, json.loads(lake.read_file(one, FILE))) for one in found]


def alone(environment: Environment, use_case: str, target: str) -> AbstractContextManager[None]:
    """Others who would change the same target wait."""
    return locked(environment.home / "serving" / "locks" / f"{use_case}.{target}")
