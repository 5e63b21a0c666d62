"""Requests to a served model among the records: for training only, never near a test record, never more than their
share. Texts are made up."""

import random

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema
from ft_platform.records.stage_results import StageResult
from ft_platform.splitting import split as split_module
from ft_platform.splitting.feedback import Asked
from ft_platform.splitting.label_shares import label_shares
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.splitting.in_memory import leakage, split
from ft_platform_tests.tables import table, use_case


def text(number: int) -> str:
    return " ".join(f"w{random.Random(f'{number} {k}').randrange(100_000)}" for k in range(20))


def records(
    case: NamedUseCase, texts: list[str], prefix: str = "r", label: str | None = None, subjects: list[str] | None = None
) -> pa.Table:
    ids = [f"{prefix}{number:05d}" for number in range(len(texts))]
    labels = [label or ("a", "b", "b")[n % 3] for n in range(len(texts))]
    persons = subjects or [None] * len(texts)
    return table(anonymized_schema(case), texts, label=labels, record_id=ids, subject_id=persons)


def source(case: NamedUseCase, count: int = 120) -> pa.Table:
    return records(case, [text(n) for n in range(count)], subjects=[f"s{n}" for n in range(count)])


def requests(case: NamedUseCase, texts: list[str], **what: object) -> tuple[pa.Table, Asked]:
    made = records(case, texts, "q", **what)  # pyright: ignore[reportArgumentType]
    return made, Asked(made["record_id"].to_pylist())


def sides(result: StageResult) -> dict[str, str]:
    kept = result.kept
    return dict(zip(kept["record_id"].to_pylist(), kept["split"].to_pylist(), strict=True))


def reasons(result: StageResult) -> dict[str, str]:
    return {one["record_id"]: one["reason"] for one in result.removed.to_pylist()}


def on(side: str, first: StageResult) -> int:
    """Number of the first record of a side."""
    return int(next(record for record, its in sides(first).items() if its == side)[1:])


def near(number: int) -> str:
    words = text(number).split()
    return " ".join([*words[:-1], "otherwise"])


@pytest.mark.parametrize("side", ["validation", "test"])
@pytest.mark.parametrize("how", ["equal", "near", "by a chain of requests", "of the same person"])
def test_what_is_related_to_a_record_held_out_never_enters_training(side: str, how: str) -> None:
    case = use_case()
    first = split(case, source(case))
    held = on(side, first)
    texts = {"equal": [text(held)], "near": [near(held)], "of the same person": [text(9001)]}.get(how)
    if texts is None:
        words = near(held).split()
        texts = [near(held), " ".join(["differently", *words[1:]])]  # the second is near the first alone
    persons = [f"s{held}"] if how == "of the same person" else None
    asked, marks = requests(case, texts, subjects=persons)
    second = split(case, pa.concat_tables([source(case), asked]), previous=first.kept, asked=marks)
    assert reasons(second) == {f"q{n:05d}": "related_to_later_side" for n in range(len(texts))}
    assert sides(second) == sides(first)


def test_what_is_related_to_a_training_record_is_learned_beside_it() -> None:
    case = use_case()
    first = split(case, source(case))
    asked, marks = requests(case, [text(on("train", first)), near(on("train", first)), text(9001)])
    second = split(case, pa.concat_tables([source(case), asked]), previous=first.kept, asked=marks)
    assert not reasons(second) and {sides(second)[f"q{n:05d}"] for n in range(3)} == {"train"}
    assert second.counts["feedback_rows"] == 3
    assert leakage(case, second.kept, asked=marks)["passed"]


def test_a_request_between_a_training_and_a_test_record_moves_neither() -> None:
    case = use_case()
    first = split(case, source(case))
    tested, trained = on("test", first), on("train", first)
    asked, marks = requests(case, [text(trained)], subjects=[f"s{tested}"])
    second = split(case, pa.concat_tables([source(case), asked]), previous=first.kept, asked=marks)
    assert sides(second) == sides(first) and reasons(second) == {"q00000": "related_to_later_side"}


def test_no_request_is_held_out_when_all_is_divided_for_the_first_time() -> None:
    case = use_case()
    asked, marks = requests(case, [text(n) for n in range(500, 520)])
    first = split(case, pa.concat_tables([asked, source(case)]), asked=marks)
    assert {side for record, side in sides(first).items() if record.startswith("q")} == {"train"}
    assert not leakage(case, split(case, pa.concat_tables([asked, source(case)])).kept, asked=marks)["passed"]


def test_a_record_of_the_source_that_was_asked_about_before_is_never_tested_on() -> None:
    case = use_case()
    first = split(case, source(case))
    asked, marks = requests(case, [text(n) for n in range(500, 540)], subjects=[f"u{n}" for n in range(40)])
    second = split(
        case,
        pa.concat_tables([source(case), asked]),
        previous=first.kept,
        asked=marks,
    )
    late = records(case, [near(n) for n in range(500, 540)], "late")
    third = split(case, pa.concat_tables([source(case), asked, late]), previous=second.kept, asked=marks)
    learned = {int(record[1:]) for record, side in sides(third).items() if record[0] == "q"}
    assert learned and {sides(third)[f"late{n:05d}"] for n in learned} == {"train"}


def test_a_record_that_cleaning_found_a_request_to_repeat_is_never_tested_on() -> None:
    case = use_case()
    first = split(case, source(case))
    late = records(case, [text(n) for n in range(700, 740)], "late")
    marks = Asked(["q1"], late["record_id"].to_pylist())
    again = split(case, pa.concat_tables([source(case), late]), previous=first.kept, asked=marks)
    assert {side for record, side in sides(again).items() if record.startswith("late")} == {"train"}
    free = split(case, pa.concat_tables([source(case), late]), previous=first.kept)
    assert "test" in {side for record, side in sides(free).items() if record.startswith("late")}


@pytest.mark.parametrize("max_share", [0.1, 0.2, 0.5])
def test_requests_are_at_most_their_share_and_which_ones_does_not_depend_on_their_order(max_share: float) -> None:
    case = use_case(source={"feedback": {"join": True, "max_share": max_share}})
    first = split(case, source(case))
    asked, marks = requests(case, [text(n) for n in range(500, 700)])
    second = split(case, pa.concat_tables([source(case), asked]), previous=first.kept, asked=marks)
    turned = asked.take(pa.array(np.arange(len(asked))[::-1]))
    third = split(case, pa.concat_tables([turned, source(case)]), previous=first.kept, asked=marks)
    assert sides(second) == sides(third)
    train = [record for record, side in sides(second).items() if side == "train"]
    learned = sum(record.startswith("q") for record in train)
    assert max_share - 0.02 < learned / len(train) <= max_share
    assert set(reasons(second).values()) == {"over_feedback_share"} and len(reasons(second)) == 200 - learned
    assert second.counts["rows_per_split"]["train"] == len(train) and second.counts["feedback_rows"] == learned


def test_a_label_that_only_requests_have_is_not_learned() -> None:
    case = use_case()
    first = split(case, source(case))
    asked, marks = requests(case, [text(n) for n in range(500, 510)], label="nonsense")
    second = split(case, pa.concat_tables([source(case), asked]), previous=first.kept, asked=marks)
    assert set(reasons(second).values()) == {"label_unknown"} and sides(second) == sides(first)


def test_requests_make_no_rare_label_frequent() -> None:
    case = use_case(splits={"rare_labels": "drop", "min_rows_per_label": 5})
    rare = records(case, [text(n) for n in range(300, 302)], "rare", label="c")
    asked, marks = requests(case, [text(n) for n in range(500, 510)], label="c")
    made = split(case, pa.concat_tables([source(case), rare, asked]), asked=marks)
    assert {one["reason"] for one in made.removed.to_pylist()} == {"rare_label"} and made.removed.num_rows == 12


def test_label_shares_are_those_of_the_source() -> None:
    case = use_case(splits={"max_label_shift": 0.05})
    first = split(case, source(case))
    asked, marks = requests(case, [text(n) for n in range(500, 520)], label="a")
    second = split(case, pa.concat_tables([source(case), asked]), previous=first.kept, asked=marks)
    assert label_shares(case, TableRows(second.kept), marks)["passed"]
    assert not label_shares(case, TableRows(second.kept))["passed"]


@pytest.mark.parametrize("side", ["validation", "test"])
def test_the_check_finds_a_request_on_another_side(side: str) -> None:
    case = use_case()
    first = split(case, source(case))
    marks = Asked([f"r{on(side, first):05d}"])
    assert leakage(case, first.kept, asked=marks)["requests_held_out"] == 1
    assert not leakage(case, first.kept, asked=marks)["passed"]


def test_without_looking_for_what_is_held_out_a_test_record_would_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: a request equal to a test record pulls itself to the test side, so the tests above can fail."""
    monkeypatch.setattr(
        split_module, "related_to_held_out", lambda groups, asked, known: np.zeros(len(asked), dtype=bool)
    )
    case = use_case()
    first = split(case, source(case))
    asked, marks = requests(case, [text(on("test", first))])
    second = split(case, pa.concat_tables([source(case), asked]), previous=first.kept, asked=marks)
    assert sides(second)["q00000"] == "test" and not leakage(case, second.kept, asked=marks)["passed"]
