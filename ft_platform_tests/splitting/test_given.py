"""Divisions that the records name themselves: an official test split."""

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
    "features": {"part": "part", "region": "region"},
}


def given(**splits: object) -> NamedUseCase:
    return use_case(record=MAPPING, splits={"strategy": "given", "given_by": "part", **splits})


def records(
    case: NamedUseCase, parts: list[str | None], texts: dict[int, str] | None = None, **columns: list
) -> pa.Table:
    made = [
        " ".join(f"w{random.Random(f'{row} {k}').randrange(100_000)}" for k in range(10)) for row in range(len(parts))
    ]
    made = [(texts or {}).get(row, text) for row, text in enumerate(made)]
    return table(
        anonymized_schema(case), made, **{"label": ["a", "b"] * (len(parts) // 2), "feature_part": parts, **columns}
    )


def sides(kept: pa.Table) -> dict[str, str]:
    return dict(zip(kept["record_id"].to_pylist(), kept["split"].to_pylist(), strict=True))


def test_records_stand_where_they_say() -> None:
    case = given()
    parts: list[str | None] = ["train", "train", "train", "test", "test", "validation", "validation", "train"] * 5
    rows = records(case, parts)
    result = split(case, rows)
    assert result.kept["split"].to_pylist() == parts
    assert result.counts["rows_per_split"] == {"train": 20, "validation": 10, "test": 10}
    assert leakage(case, result.kept)["passed"]


def test_validation_is_dealt_from_train_alone_by_label_where_none_is_given() -> None:
    case = given(validation_fraction=0.2)
    parts: list[str | None] = ["train", "train", "test", "test"] * 25
    rows = records(case, parts)
    kept = split(case, rows).kept
    asked = dict(zip(rows["record_id"].to_pylist(), parts, strict=True))
    assert {record for record, side in sides(kept).items() if side == "test"} == {
        record for record, part in asked.items() if part == "test"
    }
    validation = [row for row in kept.to_pylist() if row["split"] == "validation"]
    assert len(validation) == 10 and sorted(row["label"] for row in validation) == ["a"] * 5 + ["b"] * 5
    shuffled = rows.take(pa.array(random.Random(1).sample(range(100), 100)))
    assert sides(split(case, shuffled).kept) == sides(kept), "does not depend on the order of the table"
    assert sides(split(given(validation_fraction=0.2, seed=18), rows).kept) != sides(kept)


def test_a_number_of_validation_records() -> None:
    counts = split(given(validation_rows=6), records(given(), ["train", "train", "test", "test"] * 25)).counts
    assert counts["rows_per_split"] == {"train": 44, "validation": 6, "test": 50}


def test_what_is_related_to_a_later_side_is_removed_and_the_test_stays_whole() -> None:
    case = given()
    parts: list[str | None] = ["train", "train", "test", "test", "validation", "validation"] * 10
    text = "the same long text stands on every one of the three sides here"
    persons = ["p" if row in (7, 8) else None for row in range(60)]  # train and test
    rows = records(case, parts, {0: text, 2: text, 4: text + " too"}, subject_id=persons)
    result = split(case, rows)
    ids = rows["record_id"].to_pylist()
    gone = dict(zip(result.removed["record_id"].to_pylist(), result.removed["reason"].to_pylist(), strict=True))
    assert gone == dict.fromkeys((ids[0], ids[4], ids[7]), "related_to_later_side")
    assert result.counts["rows_per_split"] == {"train": 18, "validation": 19, "test": 20}
    assert leakage(case, result.kept)["passed"]
    planted = pa.concat_tables(
        [result.kept, result.kept.filter(pa.array([i == ids[2] for i in result.kept["record_id"].to_pylist()]))]
    )
    column = planted["split"].to_pylist()
    column[-1] = "train"
    assert not leakage(case, planted.set_column(planted.schema.get_field_index("split"), "split", pa.array(column)))[
        "passed"
    ]


@pytest.mark.parametrize(
    ("parts", "labels", "words"),
    [
        (
            ["train", "train", "test", "secret"] * 5,
            None,
            r"5 of 20 records name none of train, validation, test in `feature_part`",
        ),
        (["train", "train", "test", None] * 5, None, r"5 of 20 records name none"),
        (["train"] * 20, None, r"no record on side test"),
        (["test"] * 20, None, r"no record on side train"),
        (["train"] * 10 + ["test"] * 10, ["a", "b"] * 5 + ["a", "c"] * 5, r"no training record has the label\(s\) 'c'"),
    ],
)
def test_what_cannot_be_divided_is_a_clear_error_without_values(parts: list, labels: list | None, words: str) -> None:
    case = given(min_rows_per_label=3)
    with pytest.raises(DataError, match=words) as raised:
        split(case, records(case, parts, **({"label": labels} if labels else {})))
    assert "secret" not in str(raised.value)


def test_validation_may_not_take_nearly_all_of_train() -> None:
    case = given(validation_rows=49)
    with pytest.raises(DataError, match=r"49 validation records of 50 leave less than 10%"):
        split(case, records(case, ["train", "train", "test", "test"] * 25))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"splits": {"strategy": "given"}}, "need each other"),
        ({"splits": {"given_by": "part"}}, "need each other"),
        ({"splits": {"strategy": "given", "given_by": "other"}}, "not among `record.features`"),
        ({"splits": {"strategy": "given", "given_by": "part", "group_by_features": ["part"]}}, "would be one group"),
        ({"splits": {"strategy": "given", "given_by": "part"}, "privacy": {"columns": {"part": "drop"}}}, "changes"),
    ],
)
def test_settings_that_do_not_fit(settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        use_case(record=MAPPING, **settings)
