"""Combinations of quasi-identifiers are shared by k persons, or their rows are removed. Persons are fictitious."""

import random
from collections import defaultdict
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from ft_platform.errors import DataError
from ft_platform.privacy import k_anonymity
from ft_platform.privacy.k_anonymity import KAnonymousRows, measure, plan, quasi_identifiers
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema, cleaned_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.privacy import Privacy
from ft_platform_tests.conftest import WITHOUT
from ft_platform_tests.privacy.anonymizing import anonymized
from ft_platform_tests.tables import table, use_case

FEATURES = {"age": "age", "zip": "zip", "job": "job", "account": "account"}
KINDS = {"feature_age": "age", "feature_zip": "postal_code"}


def case_of(**privacy: Any) -> NamedUseCase:
    settings = {"quasi_identifiers": {"age": "age", "zip": "postal_code"}, "k": 3, **privacy}
    return use_case(
        record={"features": FEATURES, "date": "date"}, fairness={"sensitive_features": []}, privacy=settings
    )


def people(count: int, seed: int = 1, **columns: list) -> pa.Table:
    draw = random.Random(seed)
    given = {
        "subject_id": [f"person {n}" for n in range(count)],
        "feature_age": [str(draw.randrange(18, 95)) for _ in range(count)],
        "feature_zip": [f"627{draw.randrange(100):02d}" for _ in range(count)],
        "feature_job": [draw.choice(["nurse", "clerk", None]) for _ in range(count)],
        "label": [draw.choice(["card", "loan", "mortgage"]) for _ in range(count)],
        **columns,
    }
    return table(cleaned_schema(case_of()), ["The card was charged twice."] * count, **given)


def rows_of(records: pa.Table, batch_rows: int = 7) -> TableRows:
    return TableRows(records, batch_rows)


def brute_force(records: pa.Table, columns: list[str]) -> dict[tuple, set]:
    """Persons of each combination, the slow way; a row without a subject is a person of its own."""
    persons: dict[tuple, set] = defaultdict(set)
    for number, row in enumerate(records.to_pylist()):
        persons[tuple(row[column] for column in columns)].add(row["subject_id"] or number)
    return persons


@pytest.mark.parametrize("k", [2, 5, 20])
@pytest.mark.parametrize("seed", range(5))
def test_every_combination_that_is_left_is_shared_by_k_persons(k: int, seed: int) -> None:
    records = people(300, seed)
    planned = plan(rows_of(records), KINDS, k, 5.0)
    kept = pa.Table.from_batches(list(KAnonymousRows(rows_of(records), planned).batches()))
    sizes = [len(persons) for persons in brute_force(kept, list(KINDS)).values()]
    assert min(sizes) >= k == planned.counts["required_k"]
    assert planned.counts["k"] == min(sizes) and planned.counts["classes"] == len(sizes)
    assert records.num_rows == kept.num_rows + planned.counts["rows_removed"]
    assert planned.counts["rows_removed"] <= 0.05 * records.num_rows


def test_rows_are_rather_removed_than_a_column_made_coarser_up_to_the_allowed_share() -> None:
    records = people(100, feature_age=["30"] * 97 + ["71", "72", "73"], feature_zip=["62704"] * 100)
    few, none = plan(rows_of(records), KINDS, 3, 3.0), plan(rows_of(records), KINDS, 3, 2.9)
    assert few.counts["rows_removed"] == 3 and few.levels == {"feature_age": 0, "feature_zip": 0}
    assert none.counts["rows_removed"] == 0 and none.levels["feature_age"] == 1
    assert (
        few.counts["unique_rows_before"] == 3
        and few.counts["unique_rows_after"] == none.counts["unique_rows_after"] == 0
    )


def test_persons_are_counted_not_rows() -> None:
    """Ten records of one person hide nobody."""
    records = people(
        20,
        feature_age=["30"] * 10 + ["40"] * 10,
        feature_zip=["62704"] * 20,
        subject_id=["anna"] * 10 + [f"p{n}" for n in range(10)],
    )
    planned = plan(rows_of(records), {"feature_age": "category"}, 5, 50.0)
    assert planned.counts["rows_removed"] == 10 and planned.counts["k"] == 10
    assert planned.counts["unique_rows_before"] == 10


def test_a_row_without_a_subject_counts_as_one_person() -> None:
    records = people(6, feature_age=["30"] * 6, feature_zip=["62704"] * 6, subject_id=[None] * 6)
    assert plan(rows_of(records), KINDS, 6, 0.0).counts["k"] == 6


def test_a_missing_value_is_a_value_of_its_own() -> None:
    records = people(10, feature_age=["30"] * 9 + [None], feature_zip=["62704"] * 10)
    planned = plan(rows_of(records), KINDS, 2, 10.0)
    assert planned.counts["rows_removed"] == 1 and list(KAnonymousRows(rows_of(records), planned).removed()) == [
        ["r009"]
    ]


def test_the_same_plan_whatever_the_batches() -> None:
    records = people(500)
    plans = [plan(rows_of(records, size), KINDS, 4, 1.0) for size in (1, 7, 1000)]
    assert all(p.counts == plans[0].counts and p.levels == plans[0].levels for p in plans)


def test_a_column_with_too_many_values_is_named_as_an_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(k_anonymity, "MOST_VALUES", 10)
    with pytest.raises(DataError, match="column feature_zip has more than 10 different values: it is an identifier"):
        plan(rows_of(people(100, feature_age=["30"] * 100)), KINDS, 2, 0.0)


def test_the_stage_keeps_what_is_k_anonymous_and_removes_the_rest_with_a_reason() -> None:
    case = case_of(k=10, max_not_k_anonymous_percent=2.0)
    records = people(400, feature_age=[*(str(n % 40 + 20) for n in range(396)), "x1", "x2", "x3", "x4"])
    result = anonymized(case, records)
    assert result.kept.num_rows + result.removed.num_rows == 400
    assert set(result.removed["reason"].to_pylist()) <= {"not_k_anonymous"}
    numbers = measure(case, TableRows(result.kept))
    assert numbers["passed"] and numbers["k"] >= 10 and numbers["rows_below_k"] == numbers["unique_rows"] == 0
    assert result.counts["k_anonymity"]["rows_removed"] == result.removed.num_rows
    assert (
        result.counts["k_anonymity"]["k"] == numbers["k"]
        and result.counts["k_anonymity"]["l_diversity"] == numbers["l_diversity"]
    )
    assert set(result.kept["record_id"].to_pylist()).isdisjoint(result.removed["record_id"].to_pylist())


def test_too_few_persons_stop_the_stage() -> None:
    with pytest.raises(DataError, match="no combination of quasi-identifiers is shared by 50 persons, however coarse"):
        anonymized(case_of(k=50), people(49))


def test_a_planted_unique_person_turns_the_check_red() -> None:
    case = case_of(k=3)
    good = {
        "feature_age": ["30-39"] * 6,
        "feature_zip": ["627**"] * 6,
        "subject_id": [f"s{n}" for n in range(6)],
        "label": ["a", "b"] * 3,
    }
    numbers = measure(case, TableRows(table(anonymized_schema(case), ["x"] * 6, **good)))
    assert numbers["passed"] and (
        numbers["k"],
        numbers["l_diversity"],
        numbers["classes"],
        numbers["unique_percent"],
    ) == (6, 2, 1, 0.0)
    planted = {**good, "feature_age": ["30-39"] * 5 + ["90+"]}
    numbers = measure(case, TableRows(table(anonymized_schema(case), ["x"] * 6, **planted)))
    assert not numbers["passed"]
    assert (
        numbers["k"],
        numbers["l_diversity"],
        numbers["rows_below_k"],
        numbers["unique_rows"],
        numbers["unique_percent"],
    ) == (1, 1, 1, 1, 16.6667)


def test_the_check_counts_persons_too() -> None:
    case = case_of(k=3)
    columns = {"feature_age": ["30-39"] * 6, "feature_zip": ["627**"] * 6}
    assert not measure(
        case, TableRows(table(anonymized_schema(case), ["x"] * 6, subject_id=["anna", "ben"] * 3, **columns))
    )["passed"]


def test_without_quasi_identifiers_and_without_a_reason_the_check_fails() -> None:
    case = use_case(privacy={"without_quasi_identifiers": None})
    numbers = measure(case, TableRows(table(anonymized_schema(case), ["x"])))
    assert not numbers["passed"] and numbers["k"] is None
    assert (
        "no quasi-identifiers are named, and the file gives no reason. Columns not looked at: region."
        in numbers["says"]
    )


def test_a_column_or_a_reason_why_there_is_none_but_not_both() -> None:
    with pytest.raises(ValidationError, match="remove one"):
        Privacy(quasi_identifiers={"region": "category"}, without_quasi_identifiers="There are no columns.")
    for reason in ("", "none", "          "):
        with pytest.raises(ValidationError):
            Privacy(without_quasi_identifiers=reason)


def test_what_was_measured_is_said_with_what_it_rests_on() -> None:
    columns = {
        "feature_age": ["30-39"] * 6,
        "feature_zip": ["627**"] * 6,
        "subject_id": ["anna", "ben", "cleo", "dora", None, None],
    }
    numbers = measure(case_of(), TableRows(table(anonymized_schema(case_of()), ["x"] * 6, **columns)))
    assert (
        numbers["says"]
        == "In 6 records, every combination of age, zip is shared by at least 6 persons (required: 3); 2 records name"
        " no person, and each counts as one. Columns not looked at: job, account, record_date."
    )
    dropped = case_of(columns={"job": "drop", "account": "pseudonym"})
    assert measure(dropped, TableRows(table(anonymized_schema(dropped), ["x"] * 6, **columns)))["not_looked_at"] == [
        "record_date"
    ]


def test_without_quasi_identifiers_the_check_says_that_nothing_was_looked_at_and_by_whose_reason() -> None:
    case = use_case()
    numbers = measure(case, TableRows(table(anonymized_schema(case), ["x"])))
    assert numbers == {
        "passed": True,
        "says": (
            "k-anonymity was not measured on 1 records: the reason in the file, for which team:complaints is"
            f" responsible: {WITHOUT} Columns not looked at: region."
        ),
        "required_k": None,
        "k": None,
        "classes": None,
        "rows": 1,
        "quasi_identifiers": [],
        "reason": WITHOUT,
        "not_looked_at": ["region"],
    }
    with pytest.raises(DataError, match="no anonymized records"):
        measure(case, TableRows(table(anonymized_schema(case), [])))


def test_the_date_of_a_record_may_be_a_quasi_identifier() -> None:
    case = case_of(quasi_identifiers={"record_date": "date"}, k=5)
    assert quasi_identifiers(case) == {"record_date": "date"}
    records = people(24, record_date=[f"2020-{n % 12 + 1:02d}-1{n % 2}" for n in range(24)])
    assert set(anonymized(case, records).kept["record_date"].to_pylist()) == {"2020"}


def test_direct_identifiers_in_columns_are_dropped_or_pseudonymized() -> None:
    case = case_of(quasi_identifiers={}, columns={"account": "pseudonym", "job": "drop"})
    records = people(4, feature_account=["mirela@example.com", "A-17", None, "A-17"])
    result = anonymized(case, records).kept
    assert result["feature_job"].to_pylist() == [None] * 4
    first, second, third, fourth = result["feature_account"].to_pylist()
    assert second == fourth and second.startswith("account_") and third is None and first != second
    assert "mirela" not in str(result.to_pylist())


@pytest.mark.parametrize(
    ("privacy", "problem"),
    [
        (
            {"columns": {"income": "drop"}},
            r"`privacy.columns` names \['income'\], not among \['account', 'age', 'job', 'zip'\]",
        ),
        ({"quasi_identifiers": {"income": "number"}}, r"`privacy.quasi_identifiers` names \['income'\]"),
        ({"columns": {"age": "drop"}}, r"both name \['age'\]"),
        ({"quasi_identifiers": {"age": "years"}}, "Input should be 'age'"),
    ],
)
def test_columns_that_do_not_fit_are_refused(privacy: dict, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        case_of(**privacy)


def test_a_date_that_is_not_mapped_is_no_quasi_identifier() -> None:
    with pytest.raises(ValidationError, match="and `record_date` if it is mapped"):
        use_case(privacy={"quasi_identifiers": {"record_date": "date"}})


def text_and_label(labels: list[str | None], record: dict[str, Any] | None = None, **columns: list) -> dict[str, Any]:
    """What the check says of records of a file that gives no reason, with a label and a few columns more."""
    case = use_case(
        record=record or {"features": {}},
        fairness={"sensitive_features": []},
        privacy={"without_quasi_identifiers": None, "k": 3, "max_not_k_anonymous_percent": 5.0},
    )
    texts = [f"The card was charged twice ({number})." for number in range(len(labels))]
    return measure(case, TableRows(table(anonymized_schema(case), texts, label=labels, **columns)))


def test_records_of_text_and_label_alone_need_no_reason_and_what_that_does_not_cover_is_said() -> None:
    found = text_and_label(["card"] * 50 + ["loan"] * 49 + ["mortgage"])
    assert (found["passed"], found["no_columns"], found["k"], found["reason"]) == (True, True, None, None)
    assert found["says"] == (
        "These 100 records have no column beside their text and label, so no columns together identify a person; 1 % of"
        " them have a label that fewer than 3 persons share (at most 5 %). What the texts themselves say about a person"
        " is not covered: recognizers replace what they find there."
    )
    texts = text_and_label([None] * 2)
    assert texts["passed"]
    assert "no column beside their text, so no columns together identify a person. What" in texts["says"]


@pytest.mark.parametrize(
    ("record", "columns"),
    [
        ({"features": {"age": "age"}}, {"feature_age": ["34"] * 100}),
        ({"features": {"zip": "zip"}}, {"feature_zip": [None] * 100}),  # empty today
        ({"features": {}, "date": "date"}, {"record_date": ["2020-01-13"] * 100}),
        ({"features": {}, "text": ["age", "zip", "text"]}, {}),
    ],
    ids=["a sensitive feature", "an empty column", "the date", "columns joined to one text"],
)
def test_with_any_other_column_the_duty_is_back(record: dict[str, Any], columns: dict[str, list]) -> None:
    found = text_and_label(["card"] * 100, record, **columns)
    assert not found["passed"]
    assert "the file gives no reason" in found["says"]


def test_a_pseudonym_is_a_column_and_an_emptied_one_is_none() -> None:
    for treatment, passed in (("pseudonym", False), ("drop", True)):
        case = use_case(privacy={"without_quasi_identifiers": None, "columns": {"region": treatment}})
        kept = ["region_aaaaaaaaaaaaaaaa"] * 9 if treatment == "pseudonym" else [None] * 9
        records = table(anonymized_schema(case), ["x"] * 9, label=["card"] * 9, feature_region=kept)
        assert measure(case, TableRows(records))["passed"] == passed


def test_values_in_a_column_that_the_file_empties_bring_the_duty_back() -> None:
    case = use_case(privacy={"without_quasi_identifiers": None, "columns": {"region": "drop"}})
    records = table(anonymized_schema(case), ["x"] * 9, label=["card"] * 9, feature_region=["34"] + [None] * 8)
    found = measure(case, TableRows(records))
    assert not found["passed"]
    assert "region" in found["says"]


def test_a_label_that_few_persons_share_is_an_identifier_itself() -> None:
    ids = text_and_label([f"{60000 + number}" for number in range(100)])
    assert not ids["passed"]
    assert "100 % of them have a label that fewer than 3 persons share (at most 5 %)" in ids["says"]
    assert text_and_label(["card"] * 95 + list("abcde"))["passed"]
    assert not text_and_label(["card"] * 94 + list("abcdef"))["passed"]
    one_person = ["anna"] * 99 + ["ben"]
    assert not text_and_label(["card"] * 100, subject_id=one_person)["passed"], "persons count, not records"
