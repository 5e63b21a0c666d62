"""Batches of feedback: what waits for a person's release, what was released, and its texts for the next training."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.governance.feedback_releases import (
    FeedbackRelease,
    ever_released,
    feedback_releases,
    release_batch,
    released_batches,
    revoke,
)
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.captured import as_raw, captured
from ft_platform.monitoring.traffic.fresh import is_for_testing, right_of
from ft_platform.monitoring.traffic.tables import ALL, TrafficTables
from ft_platform.people.audit_log.opening import note
from ft_platform.process.reasons import require_reason
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash


@dataclass(frozen=True)
class Batch:
    """Labelled requests of one day that wait for a release.

    Attributes:
        name: day and a hash of records and labels: what is released is what was shown.
        records: what may be learned: record id -> label, None where the answer is a text.
        fresh: what is kept for testing: record id -> what is right (`traffic.fresh.right_of`).
        counts: what people are shown, of both.
    """

    name: str
    records: dict[str, str | None]
    fresh: dict[str, str]
    counts: dict[str, Any]


def waiting(lake: Lake, use_case: NamedUseCase) -> list[Batch]:
    """What waits for a release, oldest day first: of `labelled_traffic`, so permitted, cleaned and scanned."""
    released = ever_released(lake, use_case.name)
    days: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in TrafficTables(lake, use_case.name).read("labelled").to_pylist():
        if one["record_id"] not in released:
            days[one["day"]].append(one)
    return [_batch(use_case, day, rows) for day, rows in sorted(days.items())]


def _batch(use_case: NamedUseCase, day: str, rows: list[dict[str, Any]]) -> Batch:
    fresh = {one["record_id"]: right_of(one) for one in rows if is_for_testing(use_case, one)}
    records = {one["record_id"]: one["label"] for one in rows if one["record_id"] not in fresh}
    labels = Counter(one["label"] for one in rows if one["label"] is not None)
    shown = {**dict(sorted(records.items())), **({"fresh": fresh} if fresh else {})}
    counts = {
        "day": day,
        "records": len(rows),
        "labels": dict(sorted(labels.items())),
        "agree": sum(one["label"] is not None and one["label"] == one["decision"] for one in rows),
        "votes": sum(one["votes"] for one in rows),
        **({"for_testing": len(fresh)} if fresh else {}),
    }
    return Batch(f"{day}-{settings_hash(shown)[:8]}", records, fresh, counts)


def release(lake: Lake, use_case: NamedUseCase, name: str, *, reason: str, by: str = "") -> FeedbackRelease:
    """Releases a batch: what is for training keeps its texts for that beyond the retention of captured texts, what is
    for testing keeps none.

    Raises:
        DataError: no such batch waits, or its feedback or texts changed since it was shown.
        ConfigError: no reason is named.
    """
    reason = require_reason(reason)
    batch = next((one for one in waiting(lake, use_case) if one.name == name), None)
    if batch is None:
        raise DataError(f"no batch {name} of {use_case.name} waits", f"See what waits: ft feedback {use_case.name}")
    rows = []
    for one in captured(lake, use_case.name):
        row = one.row(use_case.name, one.label)
        if row["record_id"] in batch.records and one.right:
            stated = {name: one.text[name] for name in ("at", "subject", "consent", "purpose")}
            rows.append({**row, **stated, "batch": name})
    if {row["record_id"]: row["label"] for row in rows} != batch.records:
        raise DataError(
            f"feedback or texts of batch {name} of {use_case.name} changed since `labelled_traffic` was made",
            f"Make it anew and look again: ft feedback {use_case.name}",
        )
    note(lake, use_case, "evidence", "released feedback for training", by, batch=name, reason=reason)
    if rows:
        table = pa.Table.from_pylist(rows, schema=ALL["released"])
        TrafficTables(lake, use_case.name).append("released", table, f"release:{name}", 1)
    return release_batch(lake, use_case, name, batch.records, batch.counts, batch.fresh, reason=reason, by=by)


def take_back(lake: Lake, use_case: NamedUseCase, release_id: str, *, reason: str, by: str = "") -> None:
    """Takes a release back and deletes the texts that were kept for it.

    Raises:
        ConfigError, DataError: as `governance.feedback_releases.revoke`.
    """
    reason = require_reason(reason)
    names = {one.release.batch for one in feedback_releases(lake, use_case.name) if one.release.id == release_id}
    if names:
        note(lake, use_case, "evidence", "took back released feedback", by, release=release_id, reason=reason)
    revoke(lake, use_case, release_id, reason=reason, by=by)
    for name in names:
        TrafficTables(lake, use_case.name).delete_batch(name)


def released_records(lake: Lake, use_case: NamedUseCase) -> tuple[dict[str, str], pa.Table]:
    """`released_batches`, and their rows of `raw_records`.

    Raises:
        DataError: texts are missing, or have another label than the one that was released.
    """
    none = as_raw(use_case, [])
    if not use_case.settings.source.feedback.join:
        return {}, none
    batches = {one.release.batch: one.records for one in feedback_releases(lake, use_case.name) if one.records}
    rows = [
        one
        for one in TrafficTables(lake, use_case.name).read("released").to_pylist()
        if one["record_id"] in batches.get(one["batch"], {})
    ]
    there: dict[str, dict[str, str | None]] = defaultdict(dict)
    for one in rows:
        there[one["batch"]][one["record_id"]] = one["label"]
    if wrong := [name for name, records in batches.items() if there[name] != records]:
        raise DataError(
            f"released feedback of {use_case.name} does not have the records and labels that were released:"
            f" {', '.join(sorted(wrong))}",
            f"Restore the lake from a backup, or take the release back: ft feedback {use_case.name} --revoke ID",
        )
    return released_batches(lake, use_case), as_raw(use_case, rows)
