"""permitted_records: what is not positively permitted is removed, with its reason.

Covered: consent, purpose, lawful basis, jurisdiction, licence, expiry and withdrawal, from columns of the record and
from a ledger by person; and older versions of a changed row. Not covered: whether a consent was given freely and for
this purpose (GDPR Art. 7): that is what the owner of the source or ledger states. A withdrawal that only shows in a
column of a source without `record.id` removes the new row, but nothing ties it to the row that was read before: use a
ledger there.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.governance.judge import NEVER, ColumnJudge, ConsentFrom, Judged, record_judge, traffic_judge
from ft_platform.governance.ledger import Ledger, PinnedLedger
from ft_platform.governance.reasons import CODES, NAMES, PERMITTED
from ft_platform.lake.stage_table import Work
from ft_platform.records.columns import REMOVED, is_traffic
from ft_platform.records.key_hashes import KeyHashes, KeyIndex, joined, key_hashes
from ft_platform.records.lost_rows import require_kept
from ft_platform.records.newest_rows import newest_rows
from ft_platform.records.rows import Rows
from ft_platform.records.stage_results import StageStream
from ft_platform.use_case.named import NamedUseCase

NOTHING = KeyIndex(joined([]))
"""No record."""


@dataclass
class Refused:
    """Source keys whose newest row may not be used, each with its reason: what older versions hold of them is tainted.

    Attributes:
        keys: hashes of the source keys.
        codes: `reasons.CODES` of each, dtype uint8.
    """

    keys: list[KeyHashes] = field(default_factory=list)
    codes: list[np.ndarray] = field(default_factory=list)

    def add(self, source_keys: pa.Array, codes: np.ndarray, newest: np.ndarray) -> None:
        rows = newest & (codes != PERMITTED) & source_keys.is_valid().to_numpy(zero_copy_only=False)
        if rows.any():
            self.keys.append(key_hashes(source_keys.filter(pa.array(rows))))
            self.codes.append(codes[rows])

    def look_up(self, source_keys: pa.Array) -> np.ndarray:
        """The reason against the newest row of each key, 0 where there is none. Shape `(rows,)`."""
        index, codes = self._index
        places = index.find(key_hashes(source_keys))
        found = np.zeros(len(places), np.uint8)
        hit = (places >= 0) & source_keys.is_valid().to_numpy(zero_copy_only=False)
        found[hit] = codes[places[hit]]
        return found

    @cached_property
    def _index(self) -> tuple[KeyIndex, np.ndarray]:
        """Built at the first look-up, after the last `add`."""
        index = KeyIndex(joined(self.keys))
        return index, np.concatenate([np.empty(0, np.uint8), *self.codes])[index.order]


@dataclass(frozen=True)
class RecordJudge:
    """Judges records on one day: by their columns and, where there is one, by the ledger.

    Attributes:
        by_column: for records of the source.
        traffic: for requests to a served model.
        released: those of them that a person released for training.
        columns: record columns it needs.
    """

    by_column: ColumnJudge
    ledger: Ledger | None
    traffic: ColumnJudge
    released: KeyIndex

    @property
    def columns(self) -> list[str]:
        stated = [*self.by_column.columns, *self.traffic.columns, *(["subject_id"] if self.ledger else [])]
        return list(dict.fromkeys(["record_id", "source_uri", *stated]))

    def judge(self, batch: pa.RecordBatch) -> Judged:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        looked_up = self.ledger.look_up(columns["subject_id"]) if self.ledger else None
        judged = self.by_column.judge(batch.num_rows, columns, looked_up)
        traffic = is_traffic(columns["source_uri"]).to_numpy(zero_copy_only=False)
        if not traffic.any():
            return judged
        asked = self.traffic.judge(batch.num_rows, columns, looked_up)
        refused = (asked.codes == PERMITTED) & (self.released.find(key_hashes(columns["record_id"])) < 0)
        asked.codes[refused] = CODES["not_released"]
        return Judged(
            np.where(traffic, asked.codes, judged.codes), np.where(traffic, asked.last_days, judged.last_days)
        )


def permit(
    use_case: NamedUseCase,
    rows: Rows,
    work: Work,
    today: date,
    columns_absent: Collection[str] = (),
    ledger: PinnedLedger | None = None,
    before_end: Callable[[Refused, Ledger | None], None] | None = None,
    released: KeyIndex = NOTHING,
    erased: Callable[[pa.Array], np.ndarray] | None = None,
) -> StageStream:
    """Records that may be used for the purpose of the use case on a day. Reasons: `reasons.REASONS`.

    Two passes: one over the source keys for the newest rows, one over the records. Holds some 35 bytes a row and 30 a
    person of the ledger.

    Args:
        rows: `raw_records`.
        today: day of use; a record may still be used on the day it expires.
        columns_absent: mapped source columns that the source does not have at all (from ingestion). Only this, and no
            consent value in any row, makes `without_consent_column` apply; a column of empty cells does not.
        ledger: of the use case, where it has one.
        before_end: gets what was refused after the last row was judged and before the stage is written, so that no
            version is published while older ones are still waiting to be tainted.
        released: records of `traffic:` that a person released for training; others are refused.
        erased: whether each person was erased.

    Raises:
        DataError: no record is permitted, or a larger share was removed than the settings allow.
        SourceError: the ledger cannot be read, or has several rows of one person.
    """
    counts: dict[str, Any] = {}
    parts = _parts(use_case, rows, work, today, columns_absent, ledger, before_end, released, erased, counts)
    return StageStream(parts, counts)


def consent_from(use_case: NamedUseCase, rows: Rows, columns_absent: Collection[str]) -> ConsentFrom:
    """What states the consent of these records, requests to a served model left out: each of those states its own."""
    consent, instead = use_case.settings.record.consent, use_case.settings.governance.without_consent_column
    absent = consent is None or (consent in columns_absent and not _state_consent(rows))
    return instead if absent and instead != "refuse" else "column"


def _state_consent(rows: Rows) -> bool:
    """Whether any record of the source states a consent."""
    return any(
        pc.any(pc.and_not(batch.column("consent").is_valid(), is_traffic(batch.column("source_uri")))).as_py()
        for batch in rows.batches(["consent", "source_uri"])
    )


def judge_of(
    use_case: NamedUseCase, today: date, stated_by: ConsentFrom, ledger: Ledger | None, released: KeyIndex = NOTHING
) -> RecordJudge:
    return RecordJudge(record_judge(use_case, today, stated_by), ledger, traffic_judge(use_case, today), released)


def _parts(
    use_case: NamedUseCase,
    rows: Rows,
    work: Work,
    today: date,
    columns_absent: Collection[str],
    pinned: PinnedLedger | None,
    before_end: Callable[[Refused, Ledger | None], None] | None,
    released: KeyIndex,
    erased: Callable[[pa.Array], np.ndarray] | None,
    counts: dict[str, Any],
) -> Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]:
    stated_by = consent_from(use_case, rows, columns_absent)
    ledger = pinned.read(use_case, work.folder, today) if pinned else None
    judge = judge_of(use_case, today, stated_by, ledger, released)
    newest = newest_rows(rows)
    refused, found, last_day, start = Refused(), Counter[str](), NEVER, 0
    for batch in rows.batches():
        judged = judge.judge(batch)
        if erased and "subject_id" in batch.schema.names:
            judged.codes[erased(batch.column("subject_id"))] = CODES["person_erased"]
        current = newest[start : start + batch.num_rows]
        start += batch.num_rows
        refused.add(batch.column("source_key"), judged.codes, current)
        codes = np.where(current, judged.codes, np.uint8(CODES["superseded"]))
        found.update({NAMES[code]: int(count) for code, count in enumerate(np.bincount(codes)) if count})
        permitted = codes == PERMITTED
        last_day = min(last_day, int(judged.last_days[permitted].min(initial=NEVER)))
        yield _split(batch, codes, permitted)
    if before_end:
        before_end(refused, ledger)
    if not found[""]:
        raise _nothing_permitted(use_case, found)
    most = use_case.settings.governance.max_removed_share
    require_kept(f"permitted_records of {use_case.name}", "governance.max_removed_share", most, found[""], found)
    counts |= {"basis": _basis(use_case, stated_by), "consent_from": stated_by, "on_day": today.isoformat()}
    governance = use_case.settings.governance
    counts |= {"purpose": governance.purpose, "licence": governance.licence_in_words}
    if ledger:
        counts["persons_in_ledger"] = len(ledger.index)
    if last_day != NEVER:
        counts["permitted_until"] = date.fromordinal(last_day).isoformat()


def _split(
    batch: pa.RecordBatch, codes: np.ndarray, permitted: np.ndarray
) -> tuple[pa.RecordBatch | None, pa.RecordBatch | None]:
    if permitted.all():
        return batch, None
    ids = batch.column("record_id").filter(pa.array(~permitted))
    reasons = pa.array([NAMES[code] for code in codes[~permitted].tolist()], pa.string())
    removed = pa.RecordBatch.from_arrays([ids, reasons, pa.nulls(len(ids), pa.string())], schema=REMOVED)
    return (batch.filter(pa.array(permitted)) if permitted.any() else None), removed


def _basis(use_case: NamedUseCase, stated_by: ConsentFrom) -> str:
    words = {
        "column": "consent",
        "ledger": "consent ledger",
        "lawful_basis": "lawful basis",
        "licence": f"licence {use_case.settings.governance.licence}",
    }
    return words[stated_by]


def _nothing_permitted(use_case: NamedUseCase, found: Counter[str]) -> DataError:
    settings = use_case.settings
    reasons = ", ".join(f"{code}: {count}" for code, count in sorted(found.items()) if code) or "there are no records"
    expected = (
        f"accepted_consent {list(settings.governance.accepted_consent)} in column {settings.record.consent!r}"
        if settings.record.consent
        else f"what {settings.governance.without_consent_column!r} states"
    )
    return DataError(
        f"{use_case.name}: none of {found.total()} records may be used ({reasons}). Expected {expected}, purpose"
        f" {settings.governance.purpose!r}",
        "Compare `governance` with the values in the source; if the dataset is published, set without_consent_column:"
        " licence and licence",
    )
