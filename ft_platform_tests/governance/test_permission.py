"""What is not positively permitted is removed, with the right reason."""

import re
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.errors import DataError
from ft_platform.governance.feedback_releases import as_index
from ft_platform.governance.judge import Judged, record_judge
from ft_platform.governance.permission import Refused
from ft_platform.governance.reasons import CODES, REASONS
from ft_platform.records.schemas import raw_schema
from ft_platform_tests.governance.tables import TODAY, case_with, fates, result_of
from ft_platform_tests.tables import raw

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


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
    assert fates(case_with(), len(values), consent=values) == expected


def test_an_accepted_value_wins_over_the_word_in_it() -> None:
    found = fates(case_with(accepted_consent=["not withdrawn"]), 2, consent=["not withdrawn", "withdrawn"])
    assert found == ["kept", "consent_withdrawn"]


def test_the_newest_row_of_a_source_key_decides() -> None:
    columns = {
        "source_key": ["a", "b", "a", None, None, "b"],
        "ingested_at": [EARLY, LATE, LATE, EARLY, LATE, EARLY],
        "source_position": [1, 1, 1, 2, 2, 9],
        "consent": ["yes", "yes", "withdrawn", "yes", "yes", "yes"],
    }
    expected = ["superseded", "kept", "consent_withdrawn", "kept", "kept", "superseded"]
    assert fates(case_with(), 6, **columns) == expected
    backwards = {name: values[::-1] for name, values in columns.items()}
    assert fates(case_with(), 6, **backwards) == expected[::-1], "the order of the table does not matter"


def test_rows_ingested_together_are_ordered_by_position_and_then_by_the_table() -> None:
    columns = {
        "source_key": ["a", "a", "b", "b"],
        "ingested_at": [EARLY] * 4,
        "source_position": [5, 3, 1, 1],
        "consent": ["yes"] * 4,
    }
    assert fates(case_with(), 4, **columns) == ["kept", "superseded", "superseded", "kept"]


def test_the_purpose_must_be_among_the_purposes_of_the_record() -> None:
    case = case_with({"purpose": "purpose"}, purpose="complaint routing")
    values = [
        "complaint routing",
        "marketing; complaint routing ;",
        "marketing",
        "complaint routing and more",
        None,
        "",
    ]
    assert fates(case, 6, consent=["yes"] * 6, purpose=values) == ["kept", "kept", *["purpose_not_permitted"] * 4]


def test_a_record_may_be_used_until_the_day_it_expires() -> None:
    case = case_with({"expires": "expires"})
    values = [
        "2026-06-15",
        "2026-06-14",
        "2026-06-16 00:00:00",
        "2026-06-14T23:59:59Z",
        None,
        " ",
        "15.06.2027",
        "2027-02-30",
        "20270101",
        "2027",
    ]
    expected = ["kept", "expired", "kept", "expired", "kept", "kept", *["expiry_unreadable"] * 4]
    assert fates(case, len(values), consent=["yes"] * len(values), expires=values) == expected


def test_the_first_reason_is_the_one_that_is_kept() -> None:
    case = case_with({"expires": "expires", "purpose": "purpose"}, purpose="complaint routing")
    columns = {
        "consent": ["no", "yes", "yes"],
        "purpose": ["x", "x", "complaint routing"],
        "expires": ["2000-01-01", "2000-01-01", None],
    }
    assert fates(case, 3, **columns) == ["consent_not_accepted", "purpose_not_permitted", "kept"]


def test_a_source_without_a_consent_column_is_used_by_licence_only() -> None:
    by_licence = case_with(without_consent_column="licence", licence="CC-BY-4.0")
    result = result_of(by_licence, raw(by_licence, ["a", "b"]), ["consent"])
    assert result.kept.num_rows == 2
    judged = {"purpose": "complaint routing", "licence": "CC-BY-4.0"}
    found = {"basis": "licence CC-BY-4.0", "consent_from": "licence", "on_day": "2026-06-15"}
    assert result.counts == found | judged
    with pytest.raises(DataError, match="consent_missing: 2"):
        result_of(case_with(), raw(case_with(), ["a", "b"]), ["consent"])


def test_an_empty_consent_column_is_no_absent_one() -> None:
    by_licence = case_with(without_consent_column="licence", licence="CC-BY-4.0")
    with pytest.raises(DataError, match="consent_missing: 2"):
        result_of(by_licence, raw(by_licence, ["a", "b"]))
    found = fates(by_licence, 3, ["consent"], consent=[None, "yes", "withdrawn"])
    assert found == ["consent_missing", "kept", "consent_withdrawn"]


def test_without_a_consent_mapping_the_licence_is_the_basis() -> None:
    case = case_with({"consent": None}, without_consent_column="licence", licence="CC-BY-4.0")
    assert fates(case, 2) == ["kept", "kept"]


def test_no_permitted_record_is_an_error_with_counts_and_without_values() -> None:
    case = case_with()
    with pytest.raises(DataError) as caught:
        result_of(case, raw(case, ["a", "b", "c"], consent=["ask Zebulon Quartermain", None, "withdrawn"]))
    message = str(caught.value)
    assert (
        "none of 3 records may be used (consent_missing: 1, consent_not_accepted: 1, consent_withdrawn: 1)" in message
    )
    assert "['yes'] in column 'consent'" in message and "Zebulon" not in message
    with pytest.raises(DataError, match="there are no records"):
        result_of(case, raw_schema(case).empty_table())


def test_chunks_of_the_table_do_not_matter() -> None:
    case = case_with()
    whole = raw(
        case,
        [f"t{i}" for i in range(6)],
        consent=["yes", "no", None] * 2,
        source_key=list("aabbcc"),
        ingested_at=[EARLY, LATE] * 3,
        source_position=[1] * 6,
    )
    pieces = pa.concat_tables([whole.slice(i, 2) for i in range(0, 6, 2)])
    assert result_of(case, pieces).removed.equals(result_of(case, whole).removed)


FULL = {
    "withdrawn": "withdrawn",
    "lawful_basis": "lawful_basis",
    "purpose": "purpose",
    "jurisdiction": "jurisdiction",
    "licence": "licence",
    "expires": "expires",
}
PERMITTED: dict[str, Any] = {
    "source_key": "k",
    "ingested_at": EARLY,
    "source_position": 1,
    "source_uri": "claims.csv",
    "consent": "yes",
    "withdrawn": None,
    "lawful_basis": "consent",
    "purpose": "complaint routing",
    "jurisdiction": "DE",
    "licence": "CC-BY-4.0",
    "expires": "2026-06-15",
}
ONE_FAULT = {
    "superseded": {"ingested_at": datetime(2025, 1, 1, tzinfo=UTC), "source_key": "good"},
    "consent_withdrawn": {"withdrawn": "true"},
    "withdrawal_unreadable": {"withdrawn": "perhaps"},
    "consent_missing": {"consent": None},
    "consent_not_accepted": {"consent": "Yes"},
    "lawful_basis_missing": {"lawful_basis": " "},
    "lawful_basis_not_accepted": {"lawful_basis": "vital interests"},
    "purpose_not_permitted": {"purpose": "marketing"},
    "jurisdiction_missing": {"jurisdiction": None},
    "jurisdiction_not_permitted": {"jurisdiction": "de"},
    "licence_missing": {"licence": ""},
    "licence_denied": {"licence": "cc-by-nc-4.0"},
    "licence_not_accepted": {"licence": "MIT"},
    "expiry_unreadable": {"expires": "15.06.2026"},
    "expired": {"expires": "2026-06-14"},
    "not_released": {"source_uri": "traffic:2026-06-01-0a1b2c3d"},
}
OF_ERASURES = {"person_erased"}
OF_THE_LEDGER = {
    "subject_missing",
    "not_in_ledger",
    "consent_start_missing",
    "consent_not_yet_valid",
    "consent_expired",
    "consent_date_unreadable",
}


def full_case(**governance: Any):
    stated = {
        "lawful_bases": ["consent", "contract"],
        "jurisdictions": ["DE"],
        "accepted_licences": ["CC-BY-4.0", "CC-BY-NC-4.0"],
    }
    return case_with(FULL, **{**stated, **governance})


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in PERMITTED}


@pytest.mark.parametrize("reason", REASONS)
def test_one_fault_in_an_otherwise_permitted_record_gives_its_reason(reason: str) -> None:
    if reason in OF_THE_LEDGER | OF_ERASURES:
        return  # test_ledger.py, ft_platform_tests/erasure
    good = {**PERMITTED, "source_key": "good"}
    bad = {**PERMITTED, **ONE_FAULT[reason]}
    assert fates(full_case(), 2, **columns_of([good, bad])) == ["kept", reason]


@pytest.mark.parametrize("released", [True, False])
@pytest.mark.parametrize(
    ("consent", "purpose", "reason"),
    [
        ("yes", "complaint routing", "kept"),
        (None, "complaint routing", "consent_missing"),
        ("withdrawn", "complaint routing", "consent_withdrawn"),
        ("yes", "marketing", "purpose_not_permitted"),
        ("yes", None, "purpose_not_permitted"),
    ],
)
def test_a_request_rests_on_its_own_consent_and_purpose_and_on_a_release(
    consent: str | None, purpose: str | None, reason: str, released: bool
) -> None:
    """Whatever permits the records of the source: here the licence of the dataset."""
    case = case_with({"consent": None}, without_consent_column="licence", licence="CC0-1.0")
    columns = {"source_uri": ["claims.csv", "traffic:2026-06-01-0a1b2c3d"], "consent": [None, consent]}
    table = raw(case, ["one text", "another"], **columns, purpose=[None, purpose])
    result = result_of(case, table, released=as_index(["r001"] if released else []))
    found = [one["reason"] for one in result.removed.to_pylist()] or ["kept"]
    assert found == ["not_released" if reason == "kept" and not released else reason]


def test_every_reason_has_a_test() -> None:
    assert set(REASONS) == set(ONE_FAULT) | OF_THE_LEDGER | OF_ERASURES


def test_a_person_who_was_erased_is_left_out_whatever_permits_the_row() -> None:
    case = full_case()
    table = raw(case, ["one text", "another"], **columns_of([{**PERMITTED, "source_key": key} for key in "ab"]))
    result = result_of(case, table, erased=lambda subjects: np.array([False, True]))
    assert [one["reason"] for one in result.removed.to_pylist()] == ["person_erased"]


def test_what_a_withdrawal_column_says() -> None:
    values = [
        None,
        "",
        " False ",
        "no",
        "0",
        "true",
        "YES",
        "1",
        "2026-01-01",
        "2027-01-01 10:00:00",
        "2027-02-30",
        "n/a",
        "01.01.2026",
    ]
    expected = [*["kept"] * 5, *["consent_withdrawn"] * 5, *["withdrawal_unreadable"] * 3]
    case = case_with({"withdrawn": "withdrawn"})
    assert fates(case, len(values), consent=["yes"] * len(values), withdrawn=values) == expected


def test_a_basis_that_needs_no_consent_permits_without_one_but_not_against_a_withdrawal() -> None:
    case = full_case(lawful_bases_without_consent=["contract"])
    rows = [
        {**PERMITTED, "lawful_basis": "contract", "consent": None},
        {**PERMITTED, "lawful_basis": " contract ", "consent": "withdrawn"},
        {**PERMITTED, "lawful_basis": "contract", "consent": None, "withdrawn": "yes"},
        {**PERMITTED, "lawful_basis": "contract", "consent": None, "jurisdiction": "US"},
        {**PERMITTED, "lawful_basis": "consent", "consent": None},
        {**PERMITTED, "lawful_basis": None, "consent": None},
    ]
    columns = columns_of([{**row, "source_key": None} for row in rows])
    expected = [
        "kept",
        "consent_withdrawn",
        "consent_withdrawn",
        "jurisdiction_not_permitted",
        "consent_missing",
        "consent_missing",
    ]
    assert fates(case, 6, **columns) == expected


def test_a_source_without_consent_column_may_rest_on_lawful_bases() -> None:
    stated = {
        "without_consent_column": "lawful_basis",
        "lawful_bases": ["consent", "contract"],
        "lawful_bases_without_consent": ["contract"],
    }
    case = case_with({"consent": None, "lawful_basis": "lawful_basis"}, **stated)
    assert fates(case, 3, lawful_basis=["contract", "consent", None]) == ["kept", "consent_missing", "consent_missing"]


def test_the_end_of_a_consent_ends_no_permission_that_rests_on_something_else() -> None:
    stated = {
        "lawful_bases": ["consent", "contract"],
        "lawful_bases_without_consent": ["contract"],
        "jurisdictions": [],
    }
    case = case_with({"lawful_basis": "lawful_basis", "expires": "expires", "subject": "subject"}, **stated)
    judge = record_judge(case, TODAY, "column")
    rows = {"consent": [None, "yes"], "lawful_basis": ["contract", "consent"], "expires": ["2027-01-01", None]}
    ended = Judged(
        np.array([CODES["consent_expired"], 0], np.uint8),
        np.array([date(2026, 6, 1).toordinal(), date(2026, 7, 1).toordinal()], np.int32),
    )
    found = judge.judge(2, {name: pa.array(values, pa.string()) for name, values in rows.items()}, ended)
    assert found.codes.tolist() == [0, 0]
    assert [date.fromordinal(day).isoformat() for day in found.last_days.tolist()] == ["2027-01-01", "2026-07-01"]
    unreadable = Judged(np.array([CODES["withdrawal_unreadable"]] * 2, np.uint8), ended.last_days)
    assert (
        judge.judge(2, {name: pa.array(values, pa.string()) for name, values in rows.items()}, unreadable).codes
        == CODES["withdrawal_unreadable"]
    ).all()


def test_the_last_day_on_which_all_kept_records_may_be_used_is_counted() -> None:
    case = case_with({"expires": "expires"})
    expires = ["2026-06-20", "2026-06-14", None, "2027-01-01"]
    counts = result_of(case, raw(case, list("abcd"), consent=["yes"] * 4, expires=expires)).counts
    assert counts["permitted_until"] == "2026-06-20"
    assert "permitted_until" not in result_of(case, raw(case, ["a"], consent=["yes"])).counts


@pytest.mark.parametrize(
    ("record", "governance", "problem"),
    [
        ({"jurisdiction": "country"}, {}, "name the accepted values in `governance.jurisdictions`"),
        ({}, {"jurisdictions": ["DE"]}, "map `record.jurisdiction`"),
        ({"licence": "licence"}, {}, "`governance.accepted_licences`"),
        ({"lawful_basis": "basis"}, {}, "`governance.lawful_bases`"),
        ({}, {"consent_ledger": "ledger.csv"}, "name the person's column in `record.subject`"),
        ({}, {"ledger_columns": {"status": "x"}}, "needs `governance.consent_ledger`"),
        ({}, {"licence": None}, "`governance.licence` is not stated"),
        ({}, {"licence": "  "}, "`governance.licence` is not stated"),
    ],
)
def test_settings_that_judge_nothing_or_by_nothing_are_refused(record: dict, governance: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        case_with(record, **governance)


def test_the_licence_of_each_record_stands_in_for_that_of_the_dataset() -> None:
    case = case_with({"licence": "licence"}, licence=None, accepted_licences=["CC-BY-4.0"])
    found = fates(case, 3, consent=["yes"] * 3, licence=["CC-BY-4.0", None, "MIT"])
    assert found == ["kept", "licence_missing", "licence_not_accepted"]


@pytest.mark.parametrize("licence", ["NOASSERTION", "none", "CC-BY-NC-SA-4.0", "cc-by-nd-4.0", " CC-BY-NC "])
def test_a_denied_licence_of_the_dataset_stops_everything_and_names_the_setting(licence: str) -> None:
    with pytest.raises(ValueError, match=r"`governance.licence` .* is in `governance.denied_licences`"):
        case_with(without_consent_column="licence", licence=licence)
    with pytest.raises(ValueError, match="denied_licences"):
        case_with(licence=licence)


@pytest.mark.parametrize("licence", ["CC-BY-4.0", "CC0-1.0", "Apache-2.0", "CC-BY-SA-4.0"])
def test_other_licences_are_not_denied(licence: str) -> None:
    case_with(without_consent_column="licence", licence=licence)


def test_the_deny_list_is_a_setting() -> None:
    case_with(without_consent_column="licence", licence="CC-BY-NC-4.0", denied_licences=["GPL-*"])
    with pytest.raises(ValueError, match="denied_licences"):
        case_with(licence="gpl-3.0-only", denied_licences=["GPL-*"])


@pytest.mark.parametrize("licence", [None, "", "  "])
def test_a_dataset_used_by_its_licence_must_state_one(licence: str | None) -> None:
    with pytest.raises(ValueError, match="`without_consent_column: licence` needs `licence`"):
        case_with(without_consent_column="licence", licence=licence)


def test_what_is_refused_is_handed_on_by_source_key_before_the_stage_ends() -> None:
    case = case_with()
    columns = {
        "source_key": ["a", "a", "b", None, "c"],
        "ingested_at": [EARLY, LATE, EARLY, EARLY, EARLY],
        "source_position": [1] * 5,
        "consent": ["yes", "withdrawn", "yes", "no", "no"],
    }
    seen: list[Refused] = []
    result = result_of(
        case, raw(case, list("vwxyz"), **columns), before_end=lambda refused, ledger: seen.append(refused)
    )
    assert result.kept.num_rows == 1
    found = seen[0].look_up(pa.array(["a", "b", "c", "d", None]))
    assert found.tolist() == [CODES["consent_withdrawn"], 0, CODES["consent_not_accepted"], 0, 0]
    with pytest.raises(DataError):
        result_of(
            case, raw(case, ["t"], consent=["withdrawn"]), before_end=lambda refused, ledger: seen.append(refused)
        )
    assert len(seen) == 2, "nothing is permitted, and what was refused is handed on all the same"


def test_nothing_is_looked_up_among_no_keys() -> None:
    assert Refused().look_up(pa.array(["a", None])).tolist() == [0, 0]
