"""A record keeps its side when data grows."""

import random

import pyarrow as pa
import pytest

from ft_platform.lake.store import Lake
from ft_platform.records.schemas import anonymized_schema
from ft_platform.splitting.membership import carried_on
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.splitting.in_memory import leakage, split
from ft_platform_tests.tables import table, use_case


def records(case: NamedUseCase, count: int, start: int = 0, prefix: str = "r") -> pa.Table:
    texts = [
        " ".join(f"w{random.Random(f'{number} {k}').randrange(100_000)}" for k in range(10))
        for number in range(start, start + count)
    ]
    ids = [f"{prefix}{number:05d}" for number in range(start, start + count)]
    return table(anonymized_schema(case), texts, label=[("a", "b", "b")[n % 3] for n in range(count)], record_id=ids)


def sides(kept: pa.Table) -> dict[str, str]:
    return dict(zip(kept["record_id"].to_pylist(), kept["split"].to_pylist(), strict=True))


def with_value(given: pa.Table, name: str, values: dict[int, object]) -> pa.Table:
    column = given[name].to_pylist()
    for row, value in values.items():
        column[row] = value
    return given.set_column(given.schema.get_field_index(name), name, pa.array(column, given.schema.field(name).type))


@pytest.mark.parametrize("added", [1, 40, 400])
def test_no_record_moves_and_the_new_ones_fill_up_each_side(added: int) -> None:
    case = use_case()
    first = split(case, records(case, 200))
    grown = pa.concat_tables(
        [records(case, added, 200, "a"), records(case, 200)]
    )  # new ids that sort before the old ones
    second = split(case, grown, previous=first.kept)
    before, after = sides(first.kept), sides(second.kept)
    assert all(after[record] == side for record, side in before.items())
    assert (second.counts["kept_sides"], second.counts["moved_rows"]) == (200, 0)
    total = 200 + added
    assert (
        abs(second.counts["rows_per_split"]["test"] - 0.2 * total) <= 2
        and abs(second.counts["rows_per_split"]["validation"] - 0.15 * total) <= 2
    )
    assert leakage(case, second.kept)["passed"]


def test_without_the_earlier_version_records_would_move() -> None:
    """Planted fault: the same growth, not carried on, moves records, so the test above can fail."""
    case = use_case()
    first = split(case, records(case, 200))
    second = split(case, pa.concat_tables([records(case, 400, 200, "a"), records(case, 200)]))
    before, after = sides(first.kept), sides(second.kept)
    assert any(after[record] != side for record, side in before.items())


def test_test_never_shrinks_into_train_even_if_a_smaller_share_is_asked_for() -> None:
    case = use_case()
    first = split(case, records(case, 200))
    smaller = use_case(splits={"test_fraction": 0.05})
    after = sides(split(smaller, records(case, 210), previous=first.kept).kept)
    assert all(after[record] == "test" for record, side in sides(first.kept).items() if side == "test")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("train", "test", "test"), ("train", "validation", "validation"), ("validation", "test", "test")],
)
def test_a_new_record_that_joins_two_sides_moves_the_less_protected_one(one: str, other: str, expected: str) -> None:
    case = use_case()
    given = with_value(records(case, 200), "subject_id", {row: f"s{row}" for row in range(200)})
    first = split(case, given)
    places = {side: list(sides(first.kept).values()).index(side) for side in ("train", "validation", "test")}
    joining = records(case, 1, 200)  # of the first person, with the text of the second
    joining = with_value(
        with_value(joining, "subject_id", {0: f"s{places[one]}"}),
        "messages",
        {0: given["messages"][places[other]].as_py()},
    )
    second = split(case, pa.concat_tables([given, joining]), previous=first.kept)
    after = sides(second.kept)
    assert {after[f"r{places[one]:05d}"], after[f"r{places[other]:05d}"], after["r00200"]} == {expected}
    assert (second.counts["kept_sides"], second.counts["moved_rows"]) == (199, 1)
    assert leakage(case, second.kept)["passed"]


def test_a_new_label_gets_all_sides_without_moving_others() -> None:
    case = use_case()
    first = split(case, records(case, 200))
    new = with_value(records(case, 6, 200), "label", dict.fromkeys(range(6), "c"))
    second = split(case, pa.concat_tables([records(case, 200), new]), previous=first.kept)
    assert min(second.counts["rows_per_label"]["c"].values()) >= 1 and second.counts["moved_rows"] == 0


def test_the_newest_version_is_carried_on_unless_the_yaml_asks_for_another_division(lake: Lake) -> None:
    case = use_case()
    assert carried_on(lake, case) is None
    made = split(case, records(case, 50))
    version = lake.write_table(
        case.name, "splits", made.kept.to_batches(), made.kept.schema, zone="shared", counts=made.counts
    )
    assert carried_on(lake, case) == version
    for splits in ({"test_fraction": 0.3}, {"stratify": False}, {"near_duplicate_threshold": 0.9}):
        assert carried_on(lake, use_case(splits=splits)) == version
    for splits in ({"sticky": False}, {"seed": 18}, {"strategy": "temporal"}):
        other = use_case(
            splits=splits, record={**case.settings.record.model_dump(exclude_defaults=True), "date": "date"}
        )
        assert carried_on(lake, other) is None
