"""What is not positively permitted is removed, with the right reason."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.errors import DataError
from ft_platform.governance.permission import permit
from ft_platform.records import raw_schema
from ft_platform.use_case import NamedUseCase
from ft_platform_tests.tables import raw, use_case

TODAY = date(2026, 6, 15)
EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


def case_with(record: dict[str, Any] | None = None, **governance: Any) -> NamedUseCase:
    return use_case(record=record or {}, governance=governance)


def verdicts(case: NamedUseCase, rows: int, absent: list[str] | None = None, **columns: list) -> list[str]:
    """`kept` or the reason of each row, in order."""
    result = permit(case, raw(case, [f"text {i}" for i in range(rows)], **columns), TODAY, absent or [])
    assert result.kept.schema == raw_schema(case)
    assert result.kept.num_rows + result.removed.num_rows == rows
    by_id = dict.fromkeys(result.kept["record_id"].to_pylist(), "kept") | {r["record_id"]: r["reason"] for r in result.removed.to_pylist()}
    return [by_id[f"r{i:03d}"] for i in range(rows)]


def test_consent_counts_only_with_an_accepted_value() -> None:
    values = ["yes", " yes ", "Yes", "no", "withdrawn", "Consent Withdrawn in May", None, "", "  ", "yes, but"]
    expected = [
        "kept",
        "kept",
        "consent_not_accepted",
        "consent_not_accepted",
        "consent_withdrawn",
        "consent_withdrawn",
        *["consent_missing"] * 3,
        "consent_not_accepted",
    ]
    assert verdicts(case_with(), len(values), consent=values) == expected


def test_an_accepted_value_wins_over_the_word_in_it() -> None:
    assert verdicts(case_with(accepted_consent=["not withdrawn"]), 2, consent=["not withdrawn", "withdrawn"]) == ["kept", "consent_withdrawn"]


def test_the_newest_row_of_a_source_key_decides() -> None:
    columns = {
        "source_key": ["a", "b", "a", None, None, "b"],
        "ingested_at": [EARLY, LATE, LATE, EARLY, LATE, EARLY],
        "source_position": [1, 1, 1, 2, 2, 9],
        "consent": ["yes", "yes", "withdrawn", "yes", "yes", "yes"],
    }
    expected = ["superseded", "kept", "consent_withdrawn", "kept", "kept", "superseded"]
    assert verdicts(case_with(), 6, **columns) == expected
    backwards = {name: values[::-1] for name, values in columns.items()}
    assert verdicts(case_with(), 6, **backwards) == expected[::-1], "the order of the table does not matter"


def test_rows_ingested_together_are_ordered_by_position_and_then_by_the_table() -> None:
    columns = {"source_key": ["a", "a", "b", "b"], "ingested_at": [EARLY] * 4, "source_position": [5, 3, 1, 1], "consent": ["yes"] * 4}
    assert verdicts(case_with(), 4, **columns) == ["kept", "superseded", "superseded", "kept"]


def test_the_purpose_must_be_among_the_purposes_of_the_record() -> None:
    case = case_with({"purpose": "purpose"}, purpose="complaint routing")
    values = ["complaint routing", "marketing; complaint routing ;", "marketing", "complaint routing and more", None, ""]
    assert verdicts(case, 6, consent=["yes"] * 6, purpose=values) == ["kept", "kept", *["purpose_not_permitted"] * 4]


def test_a_record_may_be_used_until_the_day_it_expires() -> None:
    case = case_with({"expires": "expires"})
    values = ["2026-06-15", "2026-06-14", "2026-06-16 00:00:00", "2026-06-14T23:59:59Z", None, " ", "15.06.2027", "2027-02-30", "20270101", "2027"]
    expected = ["kept", "expired", "kept", "expired", "kept", "kept", *["expiry_unreadable"] * 4]
    assert verdicts(case, len(values), consent=["yes"] * len(values), expires=values) == expected


def test_the_first_reason_is_the_one_that_is_kept() -> None:
    case = case_with({"expires": "expires", "purpose": "purpose"}, purpose="complaint routing")
    columns = {"consent": ["no", "yes", "yes"], "purpose": ["x", "x", "complaint routing"], "expires": ["2000-01-01", "2000-01-01", None]}
    assert verdicts(case, 3, **columns) == ["consent_not_accepted", "purpose_not_permitted", "kept"]


def test_a_source_without_a_consent_column_is_used_by_licence_only() -> None:
    by_licence = case_with(without_consent_column="licence", licence="CC-BY-4.0")
    result = permit(by_licence, raw(by_licence, ["a", "b"]), TODAY, ["consent"])
    assert result.kept.num_rows == 2 and result.counts == {"basis": "licence CC-BY-4.0", "on_day": "2026-06-15"}
    with pytest.raises(DataError, match="consent_missing: 2"):
        permit(case_with(), raw(case_with(), ["a", "b"]), TODAY, ["consent"])


def test_an_empty_consent_column_is_no_absent_one() -> None:
    by_licence = case_with(without_consent_column="licence", licence="CC-BY-4.0")
    with pytest.raises(DataError, match="consent_missing: 2"):
        permit(by_licence, raw(by_licence, ["a", "b"]), TODAY, [])
    assert verdicts(by_licence, 3, ["consent"], consent=[None, "yes", "withdrawn"]) == ["consent_missing", "kept", "consent_withdrawn"]


def test_without_a_consent_mapping_the_licence_is_the_basis() -> None:
    case = case_with({"consent": None}, without_consent_column="licence", licence="CC-BY-4.0")
    assert verdicts(case, 2) == ["kept", "kept"]


def test_no_permitted_record_is_an_error_with_counts_and_without_values() -> None:
    case = case_with()
    with pytest.raises(DataError) as caught:
        permit(case, raw(case, ["a", "b", "c"], consent=["ask Zebulon Quartermain", None, "withdrawn"]), TODAY, [])
    message = str(caught.value)
    assert "none of 3 records may be used (consent_missing: 1, consent_not_accepted: 1, consent_withdrawn: 1)" in message
    assert "['yes'] in column 'consent'" in message and "Zebulon" not in message
    with pytest.raises(DataError, match="there are no records"):
        permit(case, raw_schema(case).empty_table(), TODAY, [])


def test_chunks_of_the_table_do_not_matter() -> None:
    case = case_with()
    whole = raw(
        case, [f"t{i}" for i in range(6)], consent=["yes", "no", None] * 2, source_key=list("aabbcc"), ingested_at=[EARLY, LATE] * 3, source_position=[1] * 6
    )
    pieces = pa.concat_tables([whole.slice(i, 2) for i in range(0, 6, 2)])
    assert permit(case, pieces, TODAY).removed.equals(permit(case, whole, TODAY).removed)
