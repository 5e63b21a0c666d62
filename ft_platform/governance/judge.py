"""Judges records in batches: the first reason against each row, and the last day on which it may be used."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.governance import reasons
from ft_platform.governance.reasons import CODES, PERMITTED
from ft_platform.records.columns import plain_array
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.governance import Governance

ConsentFrom = Literal["column", "ledger", "lawful_basis", "licence"]
"""What states the consent: the record's column, the ledger alone, or nothing because a lawful basis or the dataset's
licence permits."""

NEVER = np.iinfo(np.int32).max
"""Last day of what does not end."""
CONSENT_COLUMNS = ("consent", "ledger", "status", "valid_from", "valid_until")
"""What does not count against a record whose lawful basis needs no consent, unless it says that consent was withdrawn,
or may say so."""
COUNTS_ALWAYS = (CODES["consent_withdrawn"], CODES["withdrawal_unreadable"])
RECORD_ORDER = ("withdrawn", "consent", "ledger", "lawful_basis", "purpose", "jurisdiction", "licence", "expires")
LEDGER_ORDER = ("withdrawn", "status", "valid_from", "valid_until", "lawful_basis", "purpose", "jurisdiction")
MEMORY = 65_536
"""Distinct values of a column whose verdict is remembered."""

ValueJudge = Callable[[str | None], int]


@dataclass(frozen=True)
class Judged:
    """Verdicts on the rows of a batch.

    Attributes:
        codes: number of the first reason against each row (`reasons.CODES`), 0 where there is none. Shape `(rows,)`,
            dtype uint8.
        last_days: last day of use as a proleptic Gregorian ordinal, `NEVER` without one. Shape `(rows,)`, dtype int32.
    """

    codes: np.ndarray
    last_days: np.ndarray


class ColumnJudge:
    """Judges rows by the columns that state something about permission.

    Args:
        order: columns in the order in which their reasons count.
        judges: column -> judge of its values; columns without one are not judged.
        without_consent: lawful bases that need no consent.
        end: column with the last day of use.
    """

    def __init__(
        self,
        order: Sequence[str],
        judges: Mapping[str, Callable[[str | None], str]],
        without_consent: frozenset[str],
        end: str,
    ) -> None:
        self.columns = [name for name in order if name in judges]
        self._order = order
        self._judges = {name: _numbered(judges[name]) for name in self.columns}
        self._without_consent = without_consent
        self._end = end

    def judge(self, rows: int, columns: Mapping[str, pa.Array], looked_up: Judged | None = None) -> Judged:
        """Verdicts on rows.

        Args:
            columns: those of the judged columns that are there; one that is not counts as empty.
            looked_up: verdicts of the ledger on the same rows; they count where `ledger` stands in the order.
        """
        no_consent_needed = self._no_consent_needed(rows, columns)
        codes = np.zeros(rows, np.uint8)
        for name in self._order:
            if name in self._judges:
                found = _coded(_column(columns, name, rows), self._judges[name])
            elif name == "ledger" and looked_up:
                found = looked_up.codes.copy()
            else:
                continue
            if name in CONSENT_COLUMNS:
                found[no_consent_needed & ~np.isin(found, COUNTS_ALWAYS)] = PERMITTED
            codes = np.where(codes == PERMITTED, found, codes)
        last_days = looked_up.last_days.copy() if looked_up else np.full(rows, NEVER, np.int32)
        if self._end in self._judges:
            own_days = _coded(_column(columns, self._end, rows), _ordinal, np.int32)
        else:
            own_days = np.full(rows, NEVER, np.int32)
        for days in (last_days, *([own_days] if self._end in CONSENT_COLUMNS else [])):
            days[no_consent_needed] = NEVER  # the end of a consent that the record does not rest on
        return Judged(codes, np.minimum(last_days, own_days))

    def _no_consent_needed(self, rows: int, columns: Mapping[str, pa.Array]) -> np.ndarray:
        if not self._without_consent:
            return np.zeros(rows, bool)
        basis = pc.utf8_trim_whitespace(_column(columns, "lawful_basis", rows))
        return pc.is_in(basis, value_set=pa.array(sorted(self._without_consent))).to_numpy(zero_copy_only=False)


def record_judge(use_case: NamedUseCase, today: date, consent_from: ConsentFrom) -> ColumnJudge:
    """The judge of records: of each mapped column, and of the consent unless something else permits."""
    record, rules = use_case.settings.record, _rules(use_case.settings.governance, today)
    mapped = {"withdrawn", "lawful_basis", "jurisdiction", "licence"} & set(record.permission_columns())
    mapped |= {name for name in ("purpose", "expires") if getattr(record, name)}
    mapped |= {"consent"} if consent_from in ("column", "lawful_basis") else set()
    return ColumnJudge(RECORD_ORDER, {name: rules[name] for name in mapped}, _without_consent(use_case), "expires")


def traffic_judge(use_case: NamedUseCase, today: date) -> ColumnJudge:
    """The judge of requests to a served model. They rest on the consent and the purpose that each states, whatever
    permits the records of the source."""
    record, rules = use_case.settings.record, _rules(use_case.settings.governance, today)
    mapped = {"consent", "purpose", *record.permission_columns(), *(["expires"] if record.expires else [])}
    return ColumnJudge(RECORD_ORDER, {name: rules[name] for name in mapped}, frozenset(), "expires")


def ledger_judge(use_case: NamedUseCase, today: date) -> ColumnJudge:
    """The judge of the ledger's rows."""
    rules = _rules(use_case.settings.governance, today)
    fields = use_case.settings.governance.ledger_fields()
    return ColumnJudge(
        LEDGER_ORDER,
        {name: rules[name] for name in LEDGER_ORDER if name in fields},
        _without_consent(use_case),
        "valid_until",
    )


def depends_on_the_day(use_case: NamedUseCase) -> bool:
    """Whether the same records can get another verdict tomorrow."""
    fields = use_case.settings.governance.ledger_fields() if use_case.settings.governance.consent_ledger else {}
    return bool(use_case.settings.record.expires) or not {"valid_from", "valid_until"}.isdisjoint(fields)


def _rules(governance: Governance, today: date) -> dict[str, Callable[[str | None], str]]:
    def accepted(values: list[str]) -> frozenset[str]:
        return frozenset(value.strip() for value in values)

    consents, bases, places = (
        accepted(governance.accepted_consent),
        accepted(governance.lawful_bases),
        accepted(governance.jurisdictions),
    )
    licences = accepted(governance.accepted_licences)

    def licence(value: str | None) -> str:
        denied = bool((value or "").strip()) and governance.denies(value or "")
        if denied:
            return "licence_denied"
        return reasons.accepted_reason(value, licences, "licence_missing", "licence_not_accepted")

    return {
        "withdrawn": reasons.withdrawal_reason,
        "consent": lambda value: reasons.consent_reason(value, consents),
        "status": lambda value: reasons.consent_reason(value, consents),
        "valid_from": lambda value: reasons.first_day_reason(value, today),
        "valid_until": lambda value: reasons.last_day_reason(
            value, today, "consent_date_unreadable", "consent_expired"
        ),
        "lawful_basis": lambda value: reasons.accepted_reason(
            value, bases, "lawful_basis_missing", "lawful_basis_not_accepted"
        ),
        "purpose": lambda value: reasons.purpose_reason(value, governance.purpose),
        "jurisdiction": lambda value: reasons.accepted_reason(
            value, places, "jurisdiction_missing", "jurisdiction_not_permitted"
        ),
        "licence": licence,
        "expires": lambda value: reasons.last_day_reason(value, today, "expiry_unreadable", "expired"),
    }


def _without_consent(use_case: NamedUseCase) -> frozenset[str]:
    return frozenset(basis.strip() for basis in use_case.settings.governance.lawful_bases_without_consent)


def _numbered(judge: Callable[[str | None], str]) -> ValueJudge:
    return lru_cache(MEMORY)(lambda value: CODES[judge(value)])


@lru_cache(MEMORY)
def _ordinal(value: str | None) -> int:
    last = reasons.day_of(value)
    return last.toordinal() if last else NEVER


def _column(columns: Mapping[str, pa.Array], name: str, rows: int) -> pa.Array:
    found = columns.get(name)
    return pa.nulls(rows, pa.string()) if found is None else plain_array(found)


def _coded(column: pa.Array, judge: ValueJudge, dtype: type = np.uint8) -> np.ndarray:
    """`judge` of each row, computed once per distinct value. Shape `(rows,)`."""
    encoded = column.dictionary_encode("encode")
    verdicts = np.array([judge(value) for value in encoded.dictionary.to_pylist()], dtype=dtype)
    return verdicts[encoded.indices.to_numpy(zero_copy_only=False)]
