"""permitted_records: what is not positively permitted is removed, with its reason.

Covered: consent values, purposes, expiry dates, and older versions of a changed row. Not covered: whether a consent was
given freely and for this purpose (GDPR Art. 7); that is what the source's owner states with the consent column.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection
from datetime import date, datetime

import numpy as np
import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.records import StageResult, newest_by_key, plain_array, removed_table
from ft_platform.use_case import Governance, NamedUseCase

DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:$|[T ])")


def permit(use_case: NamedUseCase, records: pa.Table, today: date, columns_absent: Collection[str] = ()) -> StageResult:
    """Records that may be used for the purpose of the use case on a day.

    Reasons: `superseded` (a newer row of the same source key is there), `consent_missing`, `consent_withdrawn`,
    `consent_not_accepted`, `purpose_not_permitted`, `expiry_unreadable`, `expired`. A row gets the first that holds.

    Args:
        records: `raw_records`.
        today: day of use; a record may still be used on the day it expires.
        columns_absent: mapped source columns that the source does not have at all (from ingestion). Only this, and no
            consent value in any row, makes `without_consent_column: licence` apply; a column of empty cells does not.

    Raises:
        DataError: no record is permitted.
    """
    settings = use_case.settings
    by_licence = _relies_on_licence(use_case, records, columns_absent)
    reasons = _Reasons(records.num_rows)
    reasons.add("superseded", ~np.isin(np.arange(records.num_rows), newest_by_key(records)))
    if not by_licence:
        reasons.add_codes(_judged(records["consent"], lambda value: _consent_reason(value, settings.governance)))
    if settings.record.purpose:
        reasons.add_codes(_judged(records["purpose"], lambda value: _purpose_reason(value, settings.governance.purpose)))
    if settings.record.expires:
        reasons.add_codes(_judged(records["expires"], lambda value: _expiry_reason(value, today)))
    permitted = reasons.none()
    if not permitted.any():
        raise _nothing_permitted(use_case, reasons.codes)
    removed = removed_table(records["record_id"].filter(pa.array(~permitted)).to_pylist(), reasons.codes[~permitted].tolist())
    basis = f"licence {settings.governance.licence}" if by_licence else "consent"
    return StageResult(records.filter(pa.array(permitted)), removed, {"basis": basis, "on_day": today.isoformat()})


class _Reasons:
    """The first reason against each row, or an empty string. Shape `(rows,)`."""

    def __init__(self, rows: int) -> None:
        self.codes: np.ndarray = np.full(rows, "", dtype=object)

    def add(self, code: str, rows: np.ndarray) -> None:
        self.codes[rows & self.none()] = code

    def add_codes(self, codes: np.ndarray) -> None:
        open_rows = self.none()
        self.codes[open_rows] = codes[open_rows]

    def none(self) -> np.ndarray:
        return self.codes == ""


def _judged(column: pa.ChunkedArray, judge: Callable[[str | None], str]) -> np.ndarray:
    """`judge` of each row, computed once per distinct value. Shape `(rows,)`."""
    encoded = plain_array(column).dictionary_encode("encode")
    verdicts = np.array([judge(value) for value in encoded.dictionary.to_pylist()], dtype=object)
    return verdicts[encoded.indices.to_numpy(zero_copy_only=False)]


def _relies_on_licence(use_case: NamedUseCase, records: pa.Table, columns_absent: Collection[str]) -> bool:
    consent = use_case.settings.record.consent
    absent = consent is None or (consent in columns_absent and records["consent"].null_count == records.num_rows)
    return absent and use_case.settings.governance.without_consent_column == "licence"


def _consent_reason(value: str | None, governance: Governance) -> str:
    stated = (value or "").strip()
    if stated and stated in {accepted.strip() for accepted in governance.accepted_consent}:
        return ""
    if not stated:
        return "consent_missing"
    return "consent_withdrawn" if "withdrawn" in stated.casefold() else "consent_not_accepted"


def _purpose_reason(value: str | None, purpose: str) -> str:
    return "" if purpose.strip() in {p.strip() for p in (value or "").split(";")} else "purpose_not_permitted"


def _expiry_reason(value: str | None, today: date) -> str:
    """Without a date a record does not expire; a date that cannot be read may have passed, so it counts against the record."""
    if not value or not value.strip():
        return ""
    text = value.strip()
    try:
        last_day = datetime.fromisoformat(text).date() if DATE.match(text) else None
    except ValueError:
        last_day = None
    if last_day is None:
        return "expiry_unreadable"
    return "expired" if today > last_day else ""


def _nothing_permitted(use_case: NamedUseCase, codes: np.ndarray) -> DataError:
    settings = use_case.settings
    found = ", ".join(f"{code}: {count}" for code, count in sorted(Counter(codes.tolist()).items())) or "there are no records"
    expected = (
        f"accepted_consent {list(settings.governance.accepted_consent)} in column {settings.record.consent!r}" if settings.record.consent else "a licence"
    )
    return DataError(
        f"{use_case.name}: none of {len(codes)} records may be used ({found}). Expected {expected}, purpose {settings.governance.purpose!r}",
        "Compare `governance` with the values in the source; if the dataset is published, set without_consent_column: licence and licence",
    )
