from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.cleaning.validation.quarantine import QUARANTINED, quarantine, quarantined_percent
from ft_platform.errors import ConfigError
from ft_platform.lake.stage_table import Work
from ft_platform.records.columns import REMOVED
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.schemas import cleaned_schema
from ft_platform.records.stage_results import StageStream
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.tables import table, use_case

BETWEEN = {
    "expectation": "expect_column_values_to_be_between",
    "kwargs": {"column": "text_characters", "max_value": 20},
}
KNOWN_LABEL = {
    "expectation": "expect_column_values_to_be_in_set",
    "kwargs": {"column": "label", "value_set": ["a", "b"]},
}


def case(*expectations: dict[str, Any]) -> NamedUseCase:
    return use_case(validation={"expectations": [{"table": "cleaned_records", **e} for e in expectations]})


def cleaned(a_case: NamedUseCase, lengths: list[int], labels: list[str | None], batch_rows: int = 3) -> StageStream:
    rows = table(cleaned_schema(a_case), ["x" * n for n in lengths], label=labels, text_characters=lengths)
    gone = pa.RecordBatch.from_pylist([{"record_id": "gone", "reason": "empty", "duplicate_of": None}], schema=REMOVED)
    return StageStream(
        iter([*((b, None) for b in rows.to_batches(max_chunksize=batch_rows)), (None, gone)]), {"funnel": 1}
    )


def judged(
    a_case: NamedUseCase, stream: StageStream, tmp_path: Path, **arguments: Any
) -> tuple[list[str], list[tuple], list[dict], dict[str, Any]]:
    result = quarantine(a_case, stream, Work(tmp_path, InProcess()), **arguments)
    kept, removed = [], []
    for goes_on, does_not in result.parts:
        kept += goes_on["record_id"].to_pylist() if goes_on is not None else []
        removed += [(row["record_id"], row["reason"]) for row in does_not.to_pylist()] if does_not is not None else []
    beside = [row for batch in result.beside["quarantined_records"].batches() for row in batch.to_pylist()]
    return kept, removed, beside, result.counts


@pytest.mark.parametrize("batch_rows", [2, 4, 100])
def test_records_that_do_not_fit_are_put_aside_with_the_expectation(tmp_path: Path, batch_rows: int) -> None:
    a_case = case(BETWEEN, KNOWN_LABEL)
    stream = cleaned(a_case, [10, 21, 12, 30, 14, 15, 16], ["a", "b", "?", "?", "a", None, "b"])
    kept, removed, beside, counts = judged(a_case, stream, tmp_path, batch_rows=batch_rows)
    assert kept == ["r000", "r004", "r005", "r006"]
    found = sorted(removed)
    assert found == [("gone", "empty"), ("r001", "quarantined"), ("r002", "quarantined"), ("r003", "quarantined")]
    between, in_set = BETWEEN["expectation"], KNOWN_LABEL["expectation"]
    assert sorted((row["record_id"], row["expectation"], row["columns"]) for row in beside) == [
        ("r001", between, "text_characters"),
        ("r002", in_set, "label"),
        ("r003", between, "text_characters"),
        ("r003", in_set, "label"),
    ]
    expected = {"rows_judged": 7, "rows": 3, "expectations": {f"{between}(text_characters)": 2, f"{in_set}(label)": 2}}
    assert counts["quarantine"] == expected
    assert quarantined_percent(counts["quarantine"]) == pytest.approx(300 / 7)


def test_expectations_about_the_table_put_nothing_aside(tmp_path: Path) -> None:
    """`mostly` allows exceptions, and whether a value is unique depends on other records."""
    mostly = {**BETWEEN, "kwargs": {**BETWEEN["kwargs"], "mostly": 0.9}}
    unique = {"expectation": "expect_column_values_to_be_unique", "kwargs": {"column": "label"}}
    a_case = case(mostly, unique)
    kept, removed, beside, counts = judged(a_case, cleaned(a_case, [10, 21], ["a", "a"]), tmp_path)
    assert len(kept) == 2 and removed == [("gone", "empty")] and beside == []
    assert quarantined_percent(counts["quarantine"]) == 0


def test_without_expectations_the_batches_pass_untouched(tmp_path: Path) -> None:
    a_case = case()
    stream = cleaned(a_case, [10, 21], ["a", "a"])
    batches = list(stream.parts)
    result = quarantine(a_case, StageStream(iter(batches), {}), Work(tmp_path, InProcess()))
    assert all(after is before for (after, _), (before, _) in zip(result.parts, batches, strict=True))
    assert list(result.beside["quarantined_records"].batches()) == []


def test_pairs_of_columns_are_judged_too(tmp_path: Path) -> None:
    longer = {
        "expectation": "expect_column_pair_values_a_to_be_greater_than_b",
        "kwargs": {"column_A": "text_characters", "column_B": "answer_characters"},
    }
    a_case = use_case(kind="generation", validation={"expectations": [{"table": "cleaned_records", **longer}]})
    messages = [[{"role": "user", "content": "q"}, {"role": "assistant", "content": "an answer"}]] * 2
    rows = table(cleaned_schema(a_case), ["q", "q"], messages=messages, text_characters=[20, 3])
    kept, _, beside, _ = judged(a_case, StageStream(iter([(rows.to_batches()[0], None)]), {}), tmp_path)
    assert kept == ["r000"] and [(r["record_id"], r["columns"]) for r in beside] == [
        ("r001", "text_characters, answer_characters")
    ]


def test_an_expectation_that_cannot_be_computed_stops_the_stage(tmp_path: Path) -> None:
    a_case = case({"expectation": "expect_column_values_to_be_between", "kwargs": {"column": "label", "max_value": 5}})
    with pytest.raises(ConfigError, match="cannot be computed"):
        judged(a_case, cleaned(a_case, [10], ["a"]), tmp_path)


def test_the_table_holds_no_value(tmp_path: Path) -> None:
    a_case = case(KNOWN_LABEL)
    _, _, beside, counts = judged(a_case, cleaned(a_case, [10], ["Zaphod-Canary"]), tmp_path)
    assert set(beside[0]) == set(QUARANTINED.names) and "Zaphod" not in str(beside) + str(counts)


PAIR = "expect_column_pair_values_a_to_be_greater_than_b"
SUM = "expect_multicolumn_sum_to_equal"
MANY = [
    ("numbers of a column", BETWEEN, lambda row: row % 50 == 0),
    ("labels, some missing", KNOWN_LABEL, lambda row: row % 50 == 2),
    (
        "texts by pattern",
        {"expectation": "expect_column_values_to_match_regex", "kwargs": {"column": "label", "regex": "^[ab]$"}},
        lambda row: row % 50 == 2,
    ),
    (
        "missing labels",
        {"expectation": "expect_column_values_to_not_be_null", "kwargs": {"column": "label"}},
        lambda row: row % 50 == 1,
    ),
]


@pytest.mark.integration
@pytest.mark.parametrize(("expectation", "wrong"), [one[1:] for one in MANY], ids=[one[0] for one in MANY])
def test_two_thousand_of_a_hundred_thousand_records_are_put_aside_each_by_its_own_id(
    tmp_path: Path, expectation: dict, wrong: Any
) -> None:
    """Great Expectations names 20 rows in a partial result and 200 in a complete one, but the index of every row."""
    a_case = case(expectation)
    lengths = [21 if row % 50 == 0 else 10 for row in range(100_000)]
    labels = [{1: None, 2: "?"}.get(row % 50, "a") for row in range(100_000)]
    stream = cleaned(a_case, lengths, labels, batch_rows=30_000)
    kept, removed, beside, counts = judged(a_case, stream, tmp_path, batch_rows=40_000)
    expected = [f"r{row:03d}" for row in range(100_000) if wrong(row)]
    assert len(expected) == 2000
    assert (
        [record_id for record_id, reason in removed if reason == "quarantined"]
        == [row["record_id"] for row in beside]
        == expected
    )
    assert len(kept) == 98_000 and not {*kept} & {*expected}
    assert counts["quarantine"]["rows"] == 2000


def test_rows_of_several_columns_are_put_aside_beyond_the_first_two_hundred(tmp_path: Path) -> None:
    wrong = [row for row in range(3000) if row % 10 == 0]
    pair = {
        "expectation": PAIR,
        "kwargs": {
            "column_A": "text_characters",
            "column_B": "answer_characters",
            "ignore_row_if": "either_value_is_missing",
        },
    }
    total = {"expectation": SUM, "kwargs": {"column_list": ["text_characters", "answer_characters"], "sum_total": 28}}
    for number, expectation in enumerate((pair, total)):
        a_case = use_case(kind="generation", validation={"expectations": [{"table": "cleaned_records", **expectation}]})
        messages = [[{"role": "user", "content": "q"}, {"role": "assistant", "content": "an answer"[:9]}]] * 3000
        lengths = [3 if row % 10 == 0 else 19 for row in range(3000)]
        rows = table(cleaned_schema(a_case), ["q"] * 3000, messages=messages, text_characters=lengths)
        folder = tmp_path / str(number)
        folder.mkdir()
        kept, removed, _, _ = judged(
            a_case,
            StageStream(iter((batch, None) for batch in rows.to_batches(max_chunksize=1000)), {}),
            folder,
            batch_rows=2000,
        )
        assert [record_id for record_id, _ in removed] == [f"r{row:03d}" for row in wrong]
        assert len(kept) == 2700
