"""The releases of a use case as everything that follows a decision reads them. `release.releasing` makes them.

A release never changes. Whether it stands is a verdict beside it: who withdraws one leaves the record."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ft_platform.errors import CorruptVersion, VersionRefused
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion

STAGE, FILE, SIGNATURE = "release", "release.json", "model.sig"
STANDS = "not_withdrawn"
"""The verdict that a withdrawal leaves on a release: failed."""


@dataclass(frozen=True)
class Release:
    """One release.

    Attributes:
        record: `release.json`.
        withdrawn: `{"by", "reason", "at"}`; None: it stands.
    """

    version: ArtifactVersion
    record: Mapping[str, Any]
    withdrawn: Mapping[str, Any] | None

    @property
    def id(self) -> str:
        return self.version.artifact_id

    @property
    def checkpoint(self) -> str:
        """Id of the checkpoint that is released."""
        return self.record["checkpoint"]["id"]


def releases(lake: Lake, use_case: str) -> list[Release]:
    """Every release of a use case, newest first.

    Raises:
        VersionRefused: one cannot be read, so nobody can tell which one stands.
    """
    return [_read(lake, version) for version in lake.artifacts(use_case, STAGE)]


def standing_releases(lake: Lake, use_case: str) -> list[Release]:
    """Those that were not withdrawn, newest first: the first is the champion. Raises as `releases`."""
    return [one for one in releases(lake, use_case) if one.withdrawn is None]


def _read(lake: Lake, version: ArtifactVersion) -> Release:
    try:
        lake.verify_artifact(version)
        record = json.loads(lake.read_file(version, FILE))
        _ = record["checkpoint"]["id"]
        verdict = lake.verdicts(version).get(STANDS)
    except (CorruptVersion, OSError, ValueError, KeyError, TypeError) as error:
        raise VersionRefused(
            f"{version.id} of {version.use_case} cannot be read ({type(error).__name__}), so nobody can tell what is"
            " released",
            f"Restore {version.uri} or remove it",
        ) from None
    gone = {**verdict.numbers, "at": verdict.checked_at} if verdict is not None and not verdict.passed else None
    return Release(version, record, gone)
