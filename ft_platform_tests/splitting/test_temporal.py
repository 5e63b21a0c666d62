"""Divisions by time: what is tested on is newer than what was learned from."""

import random

import pyarrow as pa
import pytest

from ft_platform.errors import DataError
from ft_platform.records.schemas import anonymized_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.splitting.in_memory import leakage, split
from ft_platform_tests.tables import table, use_case

MAPPING = {
    "id": "id",
    "text": "text",
    "label": "label",
    "consent": "consent",
    "date": "date",
    "features": {"region": "region"},
}


def temporal(**splits: object) -> NamedUseCase:
    return use_case(record=MAPPING, splits={"strategy": "temporal", **splits})


def records(case: NamedUseCase, dates: list[str | None], **columns: list) -> pa.Table:
    texts = [
        " ".join(f"w{random.Random(f'{row} {k}').randrange(100_000)}" for k in range(10)) for row in range(len(dates))
    ]
    return table(anonymized_schema(case), texts, label=["a", "b"] * (len(dates) // 2), record_date=dates, **columns)


def days(count: int) -> list[str | None]:
    """Different days of 2023, shuffled."""
    made: list[str | None] = [f"2023-{1 + day // 28:02d}-{1 + day % 28:02d}" for day in range(count)]
    random.Random(0).shuffle(made)
    return made


def of_side(kept: pa.Table, side: str) -> list[str]:
    return [row["record_date"] for row in kept.to_pylist() if row["split"] == side]


def test_test_is_newest_then_validation_then_train_in_the_wanted_sizes() -> None:
    case = temporal()
    result = split(case, records(case, days(200)))
    assert result.counts["rows_per_split"] == {"train": 130, "validation": 30, "test": 40}
    train, validation, test = (of_side(result.kept, side) for side in ("train", "validation", "test"))
    assert max(train) < min(validation) <= max(validation) < min(test)
    found = leakage(case, result.kept)
    assert found["passed"] and found["newer_than_tested"] == 0


def test_a_persons_records_go_where_the_newest_of_them_goes() -> None:
    case = temporal()
    dates = days(200)
    newest, oldest = dates.index(max(dates, key=str)), dates.index(min(dates, key=str))
    persons = ["p" if row in (newest, oldest) else None for row in range(200)]
    kept = split(case, records(case, dates, subject_id=persons)).kept
    assert {row["split"] for row in kept.to_pylist() if row["subject_id"] == "p"} == {"test"}
    assert leakage(case, kept)["passed"]


def test_a_training_record_from_after_the_test_is_a_leak() -> None:
    case = temporal()
    kept = split(case, records(case, days(200))).kept
    row = kept["split"].to_pylist().index("train")
    dates = kept["record_date"].to_pylist()
    dates[row] = "2024-01-01"
    found = leakage(case, kept.set_column(kept.schema.get_field_index("record_date"), "record_date", pa.array(dates)))
    assert found["newer_than_tested"] == 1 and not found["passed"]


def test_months_years_and_times_are_dates_too_and_the_seed_decides_among_equal_ones() -> None:
    dates: list[str | None] = ["2020", "2021-05", "2021-06-01T10:00:00Z", "2021-06-01 23:59", "2022-01-31"] * 8
    one, other = (split(temporal(seed=seed), records(temporal(seed=seed), dates)).kept for seed in (1, 2))
    assert set(of_side(one, "test")) == {"2022-01-31"} and "2022-01-31" not in of_side(one, "train")
    assert one["split"].to_pylist() != other["split"].to_pylist()
    assert leakage(temporal(), one)["passed"] and leakage(temporal(), other)["passed"]


@pytest.mark.parametrize("wrong", [None, "", "31.12.2020", "12/31/2020", "yesterday", "2020-1-1"])
def test_a_record_without_a_date_is_an_error_that_counts_and_quotes_nothing(wrong: str | None) -> None:
    case = temporal()
    dates = days(200)
    dates[7] = dates[9] = wrong
    with pytest.raises(DataError, match="2 of 200 records have no `record_date` in the form YYYY-MM-DD") as error:
        split(case, records(case, dates))
    assert not wrong or wrong not in str(error.value)


def test_a_temporal_division_needs_a_date_column() -> None:
    with pytest.raises(ValueError, match=r"`record.date` is needed for `splits.strategy: temporal`"):
        use_case(splits={"strategy": "temporal"})


def test_fewer_than_three_groups_are_an_error() -> None:
    case = temporal(min_rows_per_label=3, rare_labels="error")
    generation = use_case(
        "generation",
        splits={"strategy": "temporal"},
        record={"date": "date", "text": "text", "answer": "answer", "consent": "consent"},
    )
    with pytest.raises(DataError, match=r"form 2 group\(s\)"):
        split(
            generation, records(case, days(20), subject_id=["p", "q"] * 10).select(anonymized_schema(generation).names)
        )
