"""Why a record may not be used: the reason codes of `permitted_records`, and what a single value says about permission.

Every function here takes one value of one column and returns a code; an empty one permits.
"""

import re
from collections.abc import Collection
from datetime import date, datetime

REASONS: dict[str, str] = {
    "superseded": "a newer row with the same source key exists",
    "consent_withdrawn": "consent was withdrawn",
    "withdrawal_unreadable": "the withdrawal column contains neither true, false nor a date",
    "consent_missing": "no consent is stated",
    "consent_not_accepted": "the stated consent is not among accepted_consent",
    "subject_missing": "no person is stated, so the ledger cannot be searched",
    "not_in_ledger": "the person is not in the ledger",
    "consent_start_missing": "the ledger has a column for the first day of consent, but no day in it",
    "consent_not_yet_valid": "consent begins on a later day",
    "consent_expired": "consent ended on an earlier day",
    "consent_date_unreadable": "the first or last day of consent is not a date",
    "lawful_basis_missing": "no lawful basis is stated",
    "lawful_basis_not_accepted": "the lawful basis is not among lawful_bases",
    "purpose_not_permitted": "the purpose of the use case is not among the purposes of the record",
    "jurisdiction_missing": "no jurisdiction is stated",
    "jurisdiction_not_permitted": "the jurisdiction is not among jurisdictions",
    "licence_missing": "the record states no licence",
    "licence_denied": "the licence of the record is in denied_licences",
    "licence_not_accepted": "the licence of the record is not among accepted_licences",
    "expiry_unreadable": "the expiry is not a date",
    "expired": "the record expired on an earlier day",
    "not_released": "a request to a served model, which no person released for training, or whose texts were deleted",
    "person_erased": "the person was erased, and the source still has them",
}
"""Reason code -> what it means. A row gets the first that holds, in the order of `judge.RECORD_ORDER`."""

PERMITTED = 0
CODES = {"": PERMITTED, **{name: number for number, name in enumerate(REASONS, start=1)}}
"""Reason -> number, as the judge's arrays hold it (uint8); 0 permits."""
NAMES = list(CODES)
"""Number -> reason."""

DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:$|[T ])")
YES, NO = ("true", "yes", "1"), ("false", "no", "0")


def consent_reason(value: str | None, accepted: Collection[str]) -> str:
    stated = (value or "").strip()
    if stated and stated in accepted:
        return ""
    if not stated:
        return "consent_missing"
    return "consent_withdrawn" if "withdrawn" in stated.casefold() else "consent_not_accepted"


def withdrawal_reason(value: str | None) -> str:
    """Empty and `false`: not withdrawn. A date counts whether it has come or not: who has announced a withdrawal is not
    used."""
    stated = (value or "").strip().casefold()
    if not stated or stated in NO:
        return ""
    return "consent_withdrawn" if stated in YES or day_of(stated) else "withdrawal_unreadable"


def purpose_reason(value: str | None, purpose: str) -> str:
    return "" if purpose.strip() in {p.strip() for p in (value or "").split(";")} else "purpose_not_permitted"


def accepted_reason(value: str | None, accepted: Collection[str], missing: str, refused: str) -> str:
    stated = (value or "").strip()
    if not stated:
        return missing
    return "" if stated in accepted else refused


def last_day_reason(value: str | None, today: date, unreadable: str, passed: str) -> str:
    """Without a day there is no end; a day that cannot be read may have passed, so it counts against the record."""
    if not (value or "").strip():
        return ""
    last = day_of(value)
    if last is None:
        return unreadable
    return passed if today > last else ""


def first_day_reason(value: str | None, today: date) -> str:
    if not (value or "").strip():
        return "consent_start_missing"
    first = day_of(value)
    if first is None:
        return "consent_date_unreadable"
    return "consent_not_yet_valid" if today < first else ""


def day_of(value: str | None) -> date | None:
    """The day of `2026-06-15`, alone or with a time behind it; None where it is none."""
    text = (value or "").strip().upper()
    try:
        return datetime.fromisoformat(text).date() if DATE.match(text) else None
    except ValueError:
        return None
