"""Releases of feedback for training: a person says that a batch of requests with their right answers may be learned.
Without one no request to a served model enters a training.

A release is an artifact, signed as all control files are; revoking it, and deleting the texts of one of its persons,
leave a verdict on it. Covered: which records, with which labels, who said so, when and why. Not covered: that whoever
types a name is that person; the account of the operating system is recorded beside it."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from ft_platform.errors import CorruptVersion, DataError
from ft_platform.lake.draft import Draft
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.process.account import this_account
from ft_platform.process.reasons import require_reason
from ft_platform.records.columns import TRAFFIC
from ft_platform.records.key_hashes import KeyIndex, key_hashes
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash

STORED_AS, FILE = "feedback_release", "feedback_release.json"
STANDS, FORGOTTEN = "stands", "forgotten"
"""Verdicts on a release: that it was revoked, and which of its records were deleted since."""


@dataclass(frozen=True)
class FeedbackRelease:
    """One person's word for one batch.

    Attributes:
        batch: its name (`monitoring.traffic.batches`).
        records: record id -> label, None where the answer is a text.
        counts: what was shown of the batch.
        fresh: records that test the next models and are never learned -> what was shown as right: the label, or a hash
            of the answer.
    """

    id: str
    batch: str
    records: dict[str, str | None]
    counts: dict[str, Any]
    reason: str
    released_by: str
    recorded_by: str
    released_at: str
    fresh: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """A release and what became of it.

    Attributes:
        revoked: nothing of it may be learned any more.
        forgotten: ids of records whose texts were deleted.
    """

    release: FeedbackRelease
    version: ArtifactVersion
    revoked: bool
    forgotten: frozenset[str]

    @property
    def records(self) -> dict[str, str | None]:
        """What of it may be learned now: record id -> label."""
        if self.revoked:
            return {}
        return {record: label for record, label in self.release.records.items() if record not in self.forgotten}

    @property
    def fresh(self) -> dict[str, str]:
        """What of it may be tested on now. No text is kept for it, so one that is gone is gone from here as well."""
        return {} if self.revoked else self.release.fresh


def release_batch(
    lake: Lake,
    use_case: NamedUseCase,
    batch: str,
    records: Mapping[str, str | None],
    counts: Mapping[str, Any],
    fresh: Mapping[str, str] | None = None,
    *,
    reason: str,
    by: str = "",
) -> FeedbackRelease:
    """Records a person's release of a batch.

    Raises:
        ConfigError: no reason is named.
    """
    reason = require_reason(reason)
    account = this_account()
    told: dict[str, Any] = {"reason": reason, "released_by": by.strip() or account, "recorded_by": account}
    told |= {"batch": batch, "records": dict(records), "counts": dict(counts), "released_at": now("milliseconds")}
    told |= {"fresh": dict(fresh)} if fresh else {}
    inputs = settings_hash(told)
    release = FeedbackRelease(id=f"feedback-{inputs[:12]}", **told)
    draft = Draft(lake, use_case, STORED_AS, release.id, inputs, [], inputs[:16])
    with draft.folder() as folder:
        (folder / FILE).write_text(json.dumps(asdict(release), indent=1, ensure_ascii=False), encoding="utf-8")
        draft.publish(folder)
    return release


def feedback_releases(lake: Lake, use_case: str) -> list[Standing]:
    """Every release of feedback of a use case, newest first.

    Raises:
        CorruptVersion: one was altered.
        VersionRefused: what became of one was altered or deleted.
    """
    found = []
    for version in lake.artifacts(use_case, STORED_AS):
        lake.verify_artifact(version)
        try:
            release = FeedbackRelease(**json.loads(lake.read_file(version, FILE)))
        except (TypeError, ValueError):
            raise CorruptVersion(f"{version.id} of {use_case} cannot be read", "See: ft seals verify") from None
        verdicts = lake.verdicts(version)
        gone = verdicts[FORGOTTEN].numbers["record_ids"] if FORGOTTEN in verdicts else []
        found.append(Standing(release, version, STANDS in verdicts, frozenset(gone)))
    return found


def revoke(lake: Lake, use_case: NamedUseCase, release_id: str, *, reason: str, by: str = "") -> None:
    """Takes a release back; it stays on record. Versions and checkpoints with its records are marked by the next sweep.

    Raises:
        ConfigError: no reason is named.
        DataError: there is no such release.
    """
    reason = require_reason(reason)
    found = next((one for one in feedback_releases(lake, use_case.name) if one.release.id == release_id), None)
    if found is None:
        raise DataError(f"{use_case.name} has no release of feedback {release_id}", f"See: ft feedback {use_case.name}")
    told = {"by": by.strip() or this_account(), "recorded_by": this_account(), "reason": reason}
    lake.add_verdict(found.version, STANDS, False, lake.manifest(found.version).settings_hash, told)


def note_forgotten(lake: Lake, use_case: str, record_ids: Collection[str]) -> int:
    """Notes that the texts of these records were deleted. Returns how many of them were released."""
    total = 0
    for one in feedback_releases(lake, use_case):
        gone = set(record_ids) & set(one.release.records) - one.forgotten
        if gone:
            settings = lake.manifest(one.version).settings_hash
            lake.add_verdict(one.version, FORGOTTEN, False, settings, {"record_ids": sorted(gone | one.forgotten)})
            total += len(gone)
    return total


def released_now(lake: Lake, use_case: str) -> dict[str, str | None]:
    """What may be learned now: record id -> label."""
    found: dict[str, str | None] = {}
    for one in feedback_releases(lake, use_case):
        found |= one.records
    return found


def ever_released(lake: Lake, use_case: str) -> frozenset[str]:
    """Ids of all records that were released once, for training or testing, also where the release was revoked."""
    found = feedback_releases(lake, use_case)
    return frozenset(record for one in found for record in (*one.release.records, *one.release.fresh))


def fresh_now(lake: Lake, use_case: str) -> dict[str, str]:
    """What may be tested on now: record id -> label, or hash of the answer.

    Raises:
        CorruptVersion: a record was released for training as well.
    """
    found = feedback_releases(lake, use_case)
    fresh = {record: right for one in found for record, right in one.fresh.items()}
    if both := sum(record in fresh for one in found for record in one.release.records):
        raise CorruptVersion(
            f"{both} requests to {use_case} were released both for training and for testing",
            f"Take back the one that keeps them for testing: ft feedback {use_case} --revoke ID",
        )
    return fresh


def as_index(record_ids: Collection[str]) -> KeyIndex:
    """Ids as what the judge looks them up in."""
    return KeyIndex(key_hashes(pa.array(sorted(record_ids), pa.string())))


def fingerprint(released: Mapping[str, str | None]) -> str:
    """What the permission of released records depends on; empty where there are none."""
    return settings_hash(dict(released)) if released else ""


def released_batches(lake: Lake, use_case: NamedUseCase) -> dict[str, str]:
    """Name of each batch that may be learned now, as a second source -> hash of its records and labels. Nothing where
    `source.feedback.join` is off."""
    if not use_case.settings.source.feedback.join:
        return {}
    found = feedback_releases(lake, use_case.name)
    return {f"{TRAFFIC}{one.release.batch}": settings_hash(one.records) for one in found if one.records}
