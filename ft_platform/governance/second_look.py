"""A second look at `permitted_records`, by other means than the judge: set membership and comparison of whole columns.

Covered: everything that the records and the ledger state about permission, and that no row outlives the day which the
manifest names. Not covered: which row of a source key is the newest.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from functools import partial, reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.governance.judge import ConsentFrom
from ft_platform.governance.ledger import PinnedLedger
from ft_platform.records.columns import is_traffic
from ft_platform.records.key_hashes import KeyIndex, joined, key_hashes
from ft_platform.records.rows import Rows
from ft_platform.use_case.named import NamedUseCase

DAY = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([T ].*)?$"
NOT_WITHDRAWN = ("", "false", "no", "0")

ALWAYS = ("record_id", "source_uri", "consent", "subject_id", "purpose", "expires")
"""Columns that are looked at, whatever the use case maps."""

Claims = Iterator[tuple[str, pa.Array]]


class Persons:
    """Persons of the ledger whose consent stands, and those who withdrew one or may have.

    Args:
        batches: rows of the ledger.
    """

    def __init__(self, use_case: NamedUseCase, batches: Iterable[pa.RecordBatch], today: date) -> None:
        standing, withdrawn = [], []
        for batch in batches:
            persons = _trimmed(batch.column("subject"))
            standing.append(
                key_hashes(persons.filter(_all([claim for _, claim in _ledger_claims(use_case, batch, today)])))
            )
            withdrawn.append(key_hashes(persons.filter(pc.invert(_not_withdrawn(use_case, batch)))))
        self.standing, self.withdrawn = KeyIndex(joined(standing)), KeyIndex(joined(withdrawn))

    def permit(self, subjects: pa.Array, exempt: pa.Array) -> pa.Array:
        """Whether the consent of each person stands, or is not needed (`exempt`) and not withdrawn. Shape `(rows,)`."""
        hashes = key_hashes(_trimmed(subjects))
        standing, withdrawn = (pa.array(index.find(hashes) >= 0) for index in (self.standing, self.withdrawn))
        return pc.or_(standing, pc.and_(exempt, pc.invert(withdrawn)))


def look_again(
    use_case: NamedUseCase,
    rows: Rows,
    counts: Mapping[str, Any],
    today: date,
    ledger: PinnedLedger | None = None,
    folder: Path | None = None,
    released: Collection[str] = (),
) -> dict[str, Any]:
    """`{"passed", "rows", "basis", "rows_without_...": count}`: rows that lack what permits them, by column.

    Args:
        rows: `permitted_records`.
        counts: of their manifest: what stated the consent (`consent_from`) and the last day of use (`permitted_until`).
        today: day of use.
        ledger: of the use case, where it has one.
        folder: private folder in the restricted zone for a copy of the ledger.
        released: ids of the requests to a served model that a person released for training.

    Raises:
        SourceError: the ledger cannot be read.
        TransientError: the ledger was changed while it was read.
    """
    governance, record = use_case.settings.governance, use_case.settings.record
    persons = Persons(use_case, ledger.batches(use_case, folder), today) if ledger and folder else None
    wanted = [name for name in (*ALWAYS, *record.permission_columns()) if name in rows.schema.names]
    lacking: Counter[str] = Counter()
    total = 0
    for batch in rows.batches(wanted):
        total += batch.num_rows
        asked = is_traffic(batch.column("source_uri"))
        parts: list[tuple[pa.RecordBatch, Callable[..., Claims]]] = [(batch.filter(pc.invert(asked)), _record_claims)]
        if pc.any(asked).as_py():
            parts.append((batch.filter(asked), partial(_traffic_claims, released)))
        for part, claims in parts:
            for name, accepted in claims(use_case, part, counts, today, persons):
                lacking[f"rows_without_{name}"] += part.num_rows - (pc.sum(accepted).as_py() or 0)
    consent_from = counts["consent_from"]
    basis = f"licence {governance.licence}" if consent_from == "licence" else consent_from
    return {"passed": total > 0 and not lacking.total(), "rows": total, "basis": basis, **dict(sorted(lacking.items()))}


def _record_claims(
    use_case: NamedUseCase, batch: pa.RecordBatch, counts: Mapping[str, Any], today: date, persons: Persons | None
) -> Claims:
    """What must hold for every record: its name, and whether it does. Shape `(rows,)`."""
    governance, record = use_case.settings.governance, use_case.settings.record
    consent_from: ConsentFrom = counts["consent_from"]
    if record.lawful_basis:
        exempt = _among(batch.column("lawful_basis"), governance.lawful_bases_without_consent)
    else:
        exempt = _same(batch, False)
    if consent_from in ("column", "lawful_basis"):
        yield "accepted_consent", pc.or_(_among(batch.column("consent"), governance.accepted_consent), exempt)
    if record.consent:
        yield "standing_consent", _no_word_of_withdrawal(batch.column("consent"), governance.accepted_consent)
    if governance.consent_ledger:
        yield (
            "consent_in_ledger",
            (persons.permit(batch.column("subject_id"), exempt) if persons else _same(batch, False)),
        )
    yield from _lists(
        use_case, batch, {name for name in ("lawful_basis", "jurisdiction", "licence") if getattr(record, name)}
    )
    if record.licence:
        denied = [
            name
            for name in pc.unique(_trimmed(batch.column("licence"))).to_pylist()
            if name and governance.denies(name)
        ]
        yield "allowed_licence", pc.invert(_among(batch.column("licence"), denied))
    if record.purpose:
        yield "purpose", _has_purpose(batch.column("purpose"), governance.purpose)
    if record.withdrawn:
        yield "standing_permission", _among(pc.utf8_lower(batch.column("withdrawn")), NOT_WITHDRAWN)
    if record.expires:
        last = _trimmed(batch.column("expires"))
        yield "day_left", _not_before(last, today)
        # The gate trusts this day: a row that ends earlier would be trained on after its end.
        until = date.fromisoformat(counts.get("permitted_until", date.max.isoformat()))
        yield "named_end", _not_before(last, until)


def _traffic_claims(
    released: Collection[str],
    use_case: NamedUseCase,
    batch: pa.RecordBatch,
    counts: Mapping[str, Any],
    today: date,
    persons: Persons | None,
) -> Claims:
    """What must hold for every request to a served model: a release, consent and purpose of its own, and the rest."""
    governance = use_case.settings.governance
    yield "release", _among(batch.column("record_id"), released)
    yield "accepted_consent", _among(batch.column("consent"), governance.accepted_consent)
    yield "purpose", _has_purpose(batch.column("purpose"), governance.purpose)
    for name, accepted in _record_claims(use_case, batch, {**counts, "consent_from": "traffic"}, today, persons):
        if name != "purpose":
            yield name, accepted


def _ledger_claims(use_case: NamedUseCase, batch: pa.RecordBatch, today: date) -> Claims:
    """What must hold for a person of the ledger."""
    governance = use_case.settings.governance
    there = set(governance.ledger_fields())
    if "lawful_basis" in there:
        exempt = _among(batch.column("lawful_basis"), governance.lawful_bases_without_consent)
    else:
        exempt = _same(batch, False)
    yield "status", pc.or_(_among(batch.column("status"), governance.accepted_consent), exempt)
    yield "withdrawn", _not_withdrawn(use_case, batch)
    if "valid_from" in there:
        first = _trimmed(batch.column("valid_from"))
        begun = pc.and_(
            pc.match_substring_regex(first, DAY),
            pc.less_equal(pc.utf8_slice_codeunits(first, 0, 10), today.isoformat()),
        )
        yield "valid_from", pc.or_(begun, exempt)
    if "valid_until" in there:
        yield "valid_until", pc.or_(_not_before(_trimmed(batch.column("valid_until")), today), exempt)
    if "purpose" in there:
        yield "purpose", _has_purpose(batch.column("purpose"), governance.purpose)
    yield from _lists(use_case, batch, there & {"lawful_basis", "jurisdiction"})


def _lists(use_case: NamedUseCase, batch: pa.RecordBatch, names: set[str]) -> Claims:
    """That a value is on the list of its column."""
    governance = use_case.settings.governance
    accepted = {
        "lawful_basis": governance.lawful_bases,
        "jurisdiction": governance.jurisdictions,
        "licence": governance.accepted_licences,
    }
    for name in sorted(names):
        yield f"accepted_{name}", _among(batch.column(name), accepted[name])


def _not_withdrawn(use_case: NamedUseCase, batch: pa.RecordBatch) -> pa.Array:
    governance = use_case.settings.governance
    by_status = _no_word_of_withdrawal(batch.column("status"), governance.accepted_consent)
    if "withdrawn" not in governance.ledger_fields():
        return by_status
    return pc.and_(by_status, _among(pc.utf8_lower(batch.column("withdrawn")), NOT_WITHDRAWN))


def _no_word_of_withdrawal(column: pa.Array, accepted: Iterable[str]) -> pa.Array:
    return pc.or_(
        _among(column, accepted), pc.invert(pc.match_substring(_trimmed(column), "withdrawn", ignore_case=True))
    )


def _has_purpose(column: pa.Array, purpose: str) -> pa.Array:
    """The purpose between separators: `;complaint routing;` in `;marketing;complaint routing;`."""
    stated = pc.binary_join_element_wise("", _trimmed(column), "", ";")
    return pc.match_substring(pc.replace_substring_regex(stated, r"\s*;\s*", ";"), f";{purpose.strip()};")


def _not_before(days: pa.Array, day: date) -> pa.Array:
    """Whether a last day is empty, or a day that is `day` or later: ISO days are in the order of their texts."""
    ends_later = pc.greater_equal(pc.utf8_slice_codeunits(days, 0, 10), day.isoformat())
    return pc.or_(pc.equal(days, ""), pc.and_(pc.match_substring_regex(days, DAY), ends_later))


def _among(column: pa.Array, values: Iterable[str]) -> pa.Array:
    return pc.is_in(_trimmed(column), value_set=pa.array([value.strip() for value in values], pa.string()))


def _trimmed(column: pa.Array) -> pa.Array:
    return pc.fill_null(pc.utf8_trim_whitespace(column), "")


def _same(batch: pa.RecordBatch, value: bool) -> pa.Array:
    return pa.repeat(value, batch.num_rows)


def _all(claims: list[pa.Array]) -> pa.Array:
    return reduce(pc.and_, claims)
