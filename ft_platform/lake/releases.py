"""The releases of a use case as everything that follows a decision reads them. `release.releasing` makes them.

A release never changes. Whether it stands is a verdict beside it: who withdraws one leaves the record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ft_platform.errors import CorruptVersion, VersionRefused
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import taint_of, taint_text
from ft_platform.lake.versions import ArtifactVersion

STAGE, FILE, SIGNATURE = "release", "release.json", "model.sig"
STANDS = "not_withdrawn"
"""The verdict that a withdrawal leaves on a release: failed."""
NOT_BLOCKED = "not_blocked"
"""The verdict that an automatic rollback leaves on a release: failed; passed once a person has looked."""


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


def blocks_of(lake: Lake, known: Sequence[Release]) -> dict[str, tuple[str, str]]:
    """Checkpoint -> the newest release of it that was rolled back automatically, and why, where nobody has looked at it
    since. No release of such a checkpoint may be deployed.

    Args:
        known: all releases of a use case, newest first.
    """
    found: dict[str, tuple[str, str]] = {}
    for one in known:
        verdict = lake.verdicts(one.version).get(NOT_BLOCKED)
        if verdict is not None and not verdict.passed:
            found.setdefault(one.checkpoint, (one.id, str(verdict.numbers["reason"])))
    return found


def block_of(lake: Lake, release: Release) -> tuple[str, str] | None:
    """The block of its checkpoint (`blocks_of`), or None. Raises as `releases`."""
    return blocks_of(lake, releases(lake, release.version.use_case)).get(release.checkpoint)


def require_not_blocked(lake: Lake, release: Release) -> None:
    """Raises:
    VersionRefused: it, or another release of its checkpoint, was rolled back automatically, and nobody has looked.
    """
    if blocked := block_of(lake, release):
        raise VersionRefused(
            f"{blocked[0]} was rolled back automatically: {blocked[1]}",
            f"Look at it, then: ft rollout {release.version.use_case} --unblock {blocked[0]} --reason <why>",
        )


def blocked_releases(lake: Lake, use_case: str) -> dict[str, str]:
    """Id -> why it was rolled back, of releases that nobody has looked at since."""
    return dict(blocks_of(lake, releases(lake, use_case)).values())


def released_versions(lake: Lake, release: Release, verify: bool = True) -> tuple[ArtifactVersion, ArtifactVersion]:
    """The decision and the checkpoint of a release, as they were when it was made.

    Args:
        verify: compare every byte; False: what the signed manifests say, and whether records were withdrawn.

    Raises:
        VersionRefused: one of them is gone or altered, or records of the checkpoint were withdrawn since.
    """
    found = []
    for stage, named in (
        ("release_decision", release.record["decision"]),
        ("adapter_checkpoint", release.record["checkpoint"]),
    ):
        version = lake.artifact(release.version.use_case, stage, named["id"], verify=verify)
        if version is None or version.content_hash != named["content_hash"]:
            raise VersionRefused(f"{named['id']} of {release.id} is not in the lake as it was released")
        found.append(version)
    if taint := taint_of(lake, found[1]):
        raise VersionRefused(f"{release.id}: {taint_text(found[1].id, taint)}", "Train again without them")
    return found[0], found[1]


def unusable(lake: Lake, release: Release, verify: bool = True) -> str:
    """Why nobody may be served by a release; empty: they may. `verify` as in `released_versions`."""
    if release.withdrawn is not None:
        return f"{release.id} was withdrawn: {release.withdrawn['reason']}"
    try:
        released_versions(lake, release, verify)
    except (VersionRefused, CorruptVersion) as refusal:
        return refusal.message
    except KeyError:
        return f"the record of {release.id} does not say what was released"
    return ""


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
