"""Marks every dataset version and checkpoint that holds rows which may not be used any more, so that the gate refuses
them.

Covered: all versions of `permitted_records`, what was made from them, and checkpoints by their training records. Saved
states of trainings that were on their way are removed: they hold weights that these rows gave. Judged under the present
settings, ledger and day. Not covered: `raw_records`, the restricted archive that permission is decided on anew
each time; copies outside the lake; what a model that is already served has learned (the mark names the checkpoint).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.errors import DataError, SourceError, TransientError
from ft_platform.governance.feedback_releases import as_index, fingerprint, released_now
from ft_platform.governance.judge import ConsentFrom, depends_on_the_day
from ft_platform.governance.ledger import Ledger, pin_ledger
from ft_platform.governance.permission import NOTHING, Refused, consent_from, judge_of
from ft_platform.governance.reasons import NAMES, PERMITTED
from ft_platform.lake.manifest import Manifest, Verdict
from ft_platform.lake.provenance import TRAINING_RECORDS, training_records
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED, taint_of
from ft_platform.lake.training_states import UnfinishedTraining, remove_states, unfinished_trainings
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.people.audit_log.opening import note
from ft_platform.records.key_hashes import KeyHashes, KeyIndex, joined, key_hashes
from ft_platform.records.newest_rows import newest_rows
from ft_platform.stages import STAGES, check_settings_hash
from ft_platform.use_case.named import NamedUseCase

FIRST = "permitted_records"
LATER_TABLES = [s.name for s in STAGES.values() if s.kind == "table" and s.name not in ("raw_records", FIRST)]
CHECKPOINTS = [s.name for s in STAGES.values() if s.kind == "checkpoint"]
NO_ROWS: dict[str, Any] = {"rows": 0, "reasons": {}}


@dataclass(frozen=True)
class Tainted:
    """A version and how many of its rows may not be used any more, by reason."""

    version: Version
    reasons: Counter[str]

    @property
    def rows(self) -> int:
        return self.reasons.total()

    def to_dict(self) -> dict[str, Any]:
        return {
            "stage": self.version.name,
            "version": self.version.id,
            "rows": self.rows,
            "reasons": dict(sorted(self.reasons.items())),
        }


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        tainted: versions that hold rows which may not be used, in the order of the stages.
        clean: versions that were made from one of them and hold none of these rows.
    """

    tainted: list[Tainted]
    clean: list[Version]


@dataclass(frozen=True)
class Basis:
    """What rows are judged by: content of the ledger, of `raw_records`, and of what was released of feedback (all empty
    where there is none)."""

    ledger: str
    raw: str
    released: str = ""

    def still_holds(self, lake: Lake, use_case: NamedUseCase) -> bool:
        """Whether ledger and records are what they were. A ledger that is out of reach may have changed."""
        try:
            pinned = pin_ledger(use_case, lake.storage_options)
        except (SourceError, TransientError):
            return False
        raw, released = lake.latest(use_case.name, "raw_records"), fingerprint(released_now(lake, use_case.name))
        return self == Basis(pinned.content if pinned else "", raw.content_hash if raw else "", released)


@dataclass(frozen=True)
class Sweep:
    """What a sweep found.

    Attributes:
        tainted: every version that holds rows which may not be used on that day, in the order of the stages.
        cleared: versions that were tainted and are no longer, because all their rows may be used again.
        trainings: unfinished ones on such rows; their saved states are removed.
        marked: whether it was written to the lake.
    """

    day: date
    tainted: list[Tainted]
    cleared: list[Version]
    trainings: list[UnfinishedTraining]
    marked: bool

    def to_dict(self) -> dict[str, Any]:
        cleared = [{"stage": version.name, "version": version.id} for version in self.cleared]
        tainted = [one.to_dict() for one in self.tainted]
        trainings = [{"checkpoint": training.checkpoint_id, "splits": training.splits} for training in self.trainings]
        return {
            "day": self.day.isoformat(),
            "tainted": tainted,
            "cleared": cleared,
            "unfinished_trainings": trainings,
            "marked": self.marked,
        }


def sweep(lake: Lake, use_case: NamedUseCase, day: date | None = None, *, dry_run: bool = False) -> Sweep:
    """Judges the rows of all versions on a day and marks those that may not be used. Makes no new version.

    Args:
        day: default: today (UTC). An earlier one marks and clears nothing; a later one needs `dry_run`.
        dry_run: tell what would be marked.

    Raises:
        DataError: a later day without `dry_run`.
        SourceError: the ledger cannot be read.
    """
    today = datetime.now(UTC).date()
    day = day or today
    if day > today and not dry_run:
        raise DataError(f"{day} is in the future, so nothing is marked", "To look ahead, add --dry-run")
    pinned = pin_ledger(use_case, lake.storage_options)
    raw = lake.latest(use_case.name, "raw_records")
    with lake.scratch(use_case.name, "retention_sweep", zone="restricted") as folder:
        folder.mkdir(mode=0o700)
        ledger = pinned.read(use_case, folder, day) if pinned else None
    released = released_now(lake, use_case.name)
    learned = as_index(released)
    refused = _refused_now(lake, use_case, raw, day, ledger, learned)
    found = find_tainted(lake, use_case, day, ledger, refused, learned)
    content = pinned.content if pinned else "", raw.content_hash if raw else "", fingerprint(released)
    basis = Basis(*content) if day >= today else None
    trainings = _trainings_on(lake, use_case.name, [one.version for one in found.tainted])
    cleared = [] if dry_run else mark(lake, use_case, found, day, basis)
    return Sweep(day, found.tainted, cleared, trainings, marked=not dry_run)


def must_be_swept(lake: Lake, use_case: NamedUseCase, version: TableVersion, today: date) -> bool:
    """Whether something may hold rows that may not be used any more, and carries no mark.

    Either what permission rests on is other than when this version of `permitted_records` was made; or a stage or a
    training that was on its way while others were marked has published what it made of a marked version.

    Raises:
        SourceError: the ledger is out of reach.
    """
    manifest = lake.manifest(version)
    pinned = pin_ledger(use_case, lake.storage_options)
    raw = lake.latest(use_case.name, "raw_records")
    same_raw = raw is not None and [p.content_hash for p in manifest.parents] == [raw.content_hash]
    same_day = manifest.counts.get("on_day") == today.isoformat() or not depends_on_the_day(use_case)
    same_ledger = manifest.info.get("ledger", "") == (pinned.content if pinned else "")
    same_settings = manifest.settings_hash == STAGES[FIRST].settings_hash(use_case)
    same_released = manifest.info.get("released", "") == fingerprint(released_now(lake, use_case.name))
    kept = same_raw and same_day and same_ledger and same_settings and same_released
    return not kept or _published_since(lake, use_case.name) or any(True for _ in _lost_marks(lake, use_case.name))


def _published_since(lake: Lake, use_case: str) -> bool:
    """Whether a version is there that no sweep has looked at, and that was made from a marked one."""
    marked = {(version.name, version.content_hash) for version in _marked(lake, use_case)}
    for version, manifest in _later(lake, use_case) if marked else ():
        if not marked.isdisjoint(
            (p.name, p.content_hash) for p in manifest.parents
        ) and NOT_TAINTED not in lake.verdicts(version, intact_only=True):
            return True
    return bool(_trainings_on(lake, use_case, list(_marked(lake, use_case))))


def _trainings_on(lake: Lake, use_case: str, tainted: list[Version]) -> list[UnfinishedTraining]:
    """Unfinished trainings on one of these versions, or on nobody knows what."""
    contents = {version.content_hash for version in tainted if version.name == "splits"}
    unknown_or_tainted = {None, *contents}
    return [
        one
        for one in unfinished_trainings(lake, use_case)
        if contents and one.splits_content_hash in unknown_or_tainted
    ]


def find_tainted(
    lake: Lake,
    use_case: NamedUseCase,
    day: date,
    ledger: Ledger | None,
    refused: Refused,
    released: KeyIndex = NOTHING,
) -> Found:
    """Every version that holds rows which may not be used on a day.

    Versions of `permitted_records` are judged row by row, as their columns say, by the ledger, and by the newest row of
    the same source key. Later ones are searched for the same rows only if they were made from a version that holds
    some.

    Args:
        refused: source keys whose newest row is refused.
        released: records of feedback that may be learned now.
    """
    search = _Search(lake, use_case, day, ledger, released, refused)
    found = search.permitted_versions()
    return Found(found + search.later_versions() if found else [], search.clean)


def mark(lake: Lake, use_case: NamedUseCase, found: Found, day: date, basis: Basis | None) -> list[Version]:
    """Writes the verdict `no_withdrawn_records` of these versions, and removes the saved states of trainings on them.
    Returns the versions that are cleared of it.

    The mark is taken from versions that are not among `tainted` only where `basis` is what counts still: another
    process may have judged by a newer ledger in the meantime. `permitted_records` is marked first and cleared last: as
    long as its mark is there the gate refuses all that was made from it, also if this process is killed halfway.

    Args:
        basis: what `found` was judged by; None takes no mark away.
    """

    def write(version: Version, passed: bool, numbers: dict[str, Any]) -> None:
        settings = check_settings_hash(use_case, version.name, NOT_TAINTED)
        if not passed:
            note(lake, use_case, "erasure", "marked withdrawn records", version=version.id, rows=numbers["rows"])
        lake.add_verdict(version, NOT_TAINTED, passed, settings, {**numbers, "on_day": day.isoformat()})

    with lake.writer_lock("restricted", use_case.name, NOT_TAINTED):
        clear = basis is not None and basis.still_holds(lake, use_case)
        for one in found.tainted:
            numbers = {"rows": one.rows, "reasons": dict(sorted(one.reasons.items()))}
            before = _mark_of(lake, one.version)
            if before and not clear:  # what it was marked by may be newer
                continue
            if before is None or {key: before.numbers.get(key) for key in numbers} != numbers:
                write(one.version, False, numbers)
        for training in _trainings_on(lake, use_case.name, [one.version for one in found.tainted]):
            told = {"checkpoint": training.checkpoint_id}
            note(lake, use_case, "erasure", "removed an unfinished training on withdrawn records", **told)
            remove_states(lake, use_case.name, training.checkpoint_id)
        if basis is None or not clear:
            return []
        ids = {(one.version.name, one.version.id) for one in found.tainted}
        for version in found.clean:
            if NOT_TAINTED not in lake.verdicts(version, intact_only=True):
                write(version, True, NO_ROWS)
        for version in [lost for lost in _lost_marks(lake, use_case.name) if (lost.name, lost.id) not in ids]:
            write(version, True, NO_ROWS)
        cleared = [version for version in _marked(lake, use_case.name) if (version.name, version.id) not in ids]
        marks = {version: taint.numbers for version in cleared if (taint := _mark_of(lake, version))}
        for version in reversed(cleared):
            note(lake, use_case, "erasure", "took the mark of withdrawn records away", version=version.id)
            write(version, True, NO_ROWS)
        if not basis.still_holds(lake, use_case):
            # On object stores no lock holds: another process may have marked them by a newer ledger, before these were
            # written.
            for version, numbers in marks.items():
                write(version, False, numbers)
            return []
        return cleared


def mark_refused(
    lake: Lake,
    use_case: NamedUseCase,
    raw: TableVersion,
    day: date,
    refused: Refused,
    ledger: Ledger | None,
    released: Mapping[str, str | None],
) -> None:
    """What `permitted_records` does before it is written: older versions that hold refused rows are marked.

    Args:
        raw: version of `raw_records` that was judged.
        released: records of feedback that could be learned then.
    """
    basis = Basis(ledger.content if ledger else "", raw.content_hash, fingerprint(released))
    mark(lake, use_case, find_tainted(lake, use_case, day, ledger, refused, as_index(released)), day, basis)


def tainted_now(lake: Lake, use_case: str) -> list[dict[str, Any]]:
    """Every version that is marked: `{"stage", "version", "rows", "reasons", "found_at"}`."""
    found = []
    for version in _marked(lake, use_case):
        verdict = _mark_of(lake, version)
        if verdict:
            numbers = {key: verdict.numbers[key] for key in ("rows", "reasons")}
            found.append({"stage": version.name, "version": version.id, **numbers, "found_at": verdict.checked_at})
    return found


class _Search:
    """Counts revoked rows of versions; equal content is read once."""

    def __init__(
        self,
        lake: Lake,
        use_case: NamedUseCase,
        day: date,
        ledger: Ledger | None,
        released: KeyIndex,
        refused: Refused,
    ) -> None:
        self._lake, self._use_case, self._day, self._ledger, self._refused = lake, use_case, day, ledger, refused
        self._released = released
        self._ids: list[KeyHashes] = []
        self._codes: list[np.ndarray] = []
        self._found: dict[tuple[str, str], Counter[str]] = {}
        """Name and content hash of versions that hold revoked rows -> how many, by reason."""
        self.clean: list[Version] = []
        """Made from one of them, and without revoked rows."""
        self._raw = {manifest.id: manifest for manifest in lake.manifests(use_case.name, "raw_records")}

    def permitted_versions(self) -> list[Tainted]:
        counted: dict[str, Counter[str]] = {}
        tainted = []
        for version, manifest in _tables(self._lake, self._use_case.name, FIRST):
            if version.content_hash not in counted:
                counted[version.content_hash] = self._judge(version, manifest)
            tainted += self._noted(version, counted[version.content_hash])
        return tainted

    def later_versions(self) -> list[Tainted]:
        index = KeyIndex(joined(self._ids))
        codes = np.concatenate(self._codes)[index.order]
        tainted = []
        for version, manifest in _later(self._lake, self._use_case.name):
            parents = [
                self._found[place] for p in manifest.parents if (place := (p.name, p.content_hash)) in self._found
            ]
            if not parents:
                continue
            place = version.name, version.content_hash
            counted = (
                self._found[place] if place in self._found else self._count(version, manifest, parents, index, codes)
            )
            tainted += self._noted(version, counted)
            self.clean += [] if counted else [version]
        return tainted

    def _noted(self, version: Version, reasons: Counter[str]) -> list[Tainted]:
        if not reasons:
            return []
        self._found[version.name, version.content_hash] = reasons
        return [Tainted(version, reasons)]

    def _judge(self, version: TableVersion, manifest: Manifest) -> Counter[str]:
        judge = judge_of(self._use_case, self._day, self._consent_from(manifest), self._ledger, self._released)
        keys_match = self._is_of_present_source(manifest)
        there = set(self._lake.columns(version))
        wanted = [name for name in dict.fromkeys(["record_id", "source_key", *judge.columns]) if name in there]
        reasons: Counter[str] = Counter()
        ids, found = [], []
        for batch in self._lake.read(version, wanted):
            codes = judge.judge(batch).codes
            if keys_match:
                codes = np.where(codes == PERMITTED, self._refused.look_up(batch.column("source_key")), codes)
            revoked = codes != PERMITTED
            if revoked.any():
                ids.append(key_hashes(batch.column("record_id").filter(pa.array(revoked))))
                found.append(codes[revoked])
                reasons += _named(codes)
        if ids:
            self._remember(joined(ids), np.concatenate(found))
        return reasons

    def _remember(self, ids: KeyHashes, codes: np.ndarray) -> None:
        """Notes revoked records, each once however many versions hold it."""
        fresh = KeyIndex(joined(self._ids)).find(ids) < 0
        self._ids.append(ids[fresh])
        self._codes.append(codes[fresh])

    def _is_of_present_source(self, manifest: Manifest) -> bool:
        """Whether equal source keys mean the same row. Another source may count its rows from 1 as well."""
        now = next(iter(self._raw.values()), None)
        then = next((self._raw[p.id] for p in manifest.parents if p.id in self._raw), now)
        if now is None or then is None:
            return True
        return now.settings_hash == then.settings_hash or not set(now.info.get("files", {})).isdisjoint(
            then.info.get("files", {})
        )

    def _consent_from(self, manifest: Manifest) -> ConsentFrom:
        """As it was when the version was made, if the settings still allow it."""
        then = manifest.counts.get("consent_from", "column")
        return then if then == self._use_case.settings.governance.without_consent_column else "column"

    def _count(
        self, version: Version, manifest: Manifest, parents: list[Counter[str]], index: KeyIndex, codes: np.ndarray
    ) -> Counter[str]:
        reasons: Counter[str] = Counter()
        if isinstance(version, ArtifactVersion):
            if TRAINING_RECORDS not in manifest.files:
                # Nobody knows which rows it was trained on, so it counts as trained on all that its parents hold.
                return parents[0]
            batches = training_records(self._lake, version)
        else:
            batches = self._lake.read(version, ["record_id"])
        for batch in batches:
            reasons += _found_in(batch.column("record_id"), index, codes)
        return reasons


def _refused_now(
    lake: Lake,
    use_case: NamedUseCase,
    raw: TableVersion | None,
    day: date,
    ledger: Ledger | None,
    released: KeyIndex,
) -> Refused:
    """Source keys whose newest row in `raw_records` may not be used."""
    refused = Refused()
    if raw is None:
        return refused
    rows = lake.rows(raw)
    judge = judge_of(
        use_case, day, consent_from(use_case, rows, lake.manifest(raw).info.get("columns_absent", [])), ledger, released
    )
    newest, start = newest_rows(rows), 0
    wanted = [name for name in dict.fromkeys(["source_key", *judge.columns]) if name in rows.schema.names]
    for batch in rows.batches(wanted):
        refused.add(batch.column("source_key"), judge.judge(batch).codes, newest[start : start + batch.num_rows])
        start += batch.num_rows
    return refused


def _found_in(record_ids: pa.Array, index: KeyIndex, codes: np.ndarray) -> Counter[str]:
    places = index.find(key_hashes(record_ids))
    return _named(codes[places[places >= 0]])


def _named(codes: np.ndarray) -> Counter[str]:
    return Counter(
        {NAMES[code]: int(count) for code, count in enumerate(np.bincount(codes)) if count and code != PERMITTED}
    )


def _tables(lake: Lake, use_case: str, name: str) -> Iterator[tuple[TableVersion, Manifest]]:
    """Every version of a table, newest first."""
    zone = STAGES[name].zone
    for manifest in lake.manifests(use_case, name):
        uri = lake.uri(zone, use_case, "tables", name)
        yield (
            TableVersion(use_case, name, zone, int(manifest.version or 0), manifest.content_hash, manifest.rows, uri),
            manifest,
        )


def _later(lake: Lake, use_case: str) -> Iterator[tuple[Version, Manifest]]:
    """Tables behind `permitted_records` in the order of the stages, then checkpoints."""
    for name in LATER_TABLES:
        yield from _tables(lake, use_case, name)
    for name in CHECKPOINTS:
        for checkpoint in lake.artifacts(use_case, name):
            yield checkpoint, lake.manifest(checkpoint)


def _marked(lake: Lake, use_case: str) -> Iterator[Version]:
    """Versions that carry a mark. One that was altered or deleted is none: `_lost_marks` tells those."""
    for versions in (_tables(lake, use_case, FIRST), _later(lake, use_case)):
        for version, _ in versions:
            if _mark_of(lake, version):
                yield version


def _mark_of(lake: Lake, version: Version) -> Verdict | None:
    """The mark that a sweep left; what an erasure left is not the sweep's to clear."""
    return taint_of(lake, version, intact_only=True, checks=(NOT_TAINTED,))


def _lost_marks(lake: Lake, use_case: str) -> Iterator[Version]:
    """Versions whose verdict was altered or deleted since a sweep signed it: nobody can tell what it said, so they are
    judged again."""
    for versions in (_tables(lake, use_case, FIRST), _later(lake, use_case)):
        for version, _ in versions:
            if lake.verdict_is_lost(version, NOT_TAINTED):
                yield version
