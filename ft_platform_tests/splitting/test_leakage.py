from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from ft_platform.records.columns import user_texts
from ft_platform.records.near_duplicates import normalized_text
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema
from ft_platform.splitting.label_shares import label_shares
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.splitting.in_memory import leakage, split
from ft_platform_tests.tables import table, use_case

LETTER = "The bank charged me a fee of thirty dollars on my checking account and I want it back"


def divided(case: NamedUseCase) -> pa.Table:
    texts = [f"case {i} speaks of w{i * 7} w{i * 11} w{i * 13} and nothing else w{i * 17}" for i in range(60)]
    return split(
        case, table(anonymized_schema(case), texts, label=["a", "b"] * 30, subject_id=[f"s{i}" for i in range(60)])
    ).kept


def changed(splits: pa.Table, name: str, change: Callable[[dict], dict[int, object]]) -> pa.Table:
    """The table with some values of a column replaced; `change` gets the first row of each side."""
    first = {side: splits["split"].to_pylist().index(side) for side in ("train", "validation", "test")}
    values = splits[name].to_pylist()
    for row, value in change(first).items():
        values[row] = value
    return splits.set_column(
        splits.schema.get_field_index(name), name, pa.array(values, splits.schema.field(name).type)
    )


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_a_clean_division_passes() -> None:
    case = use_case()
    nothing = {"subjects": 0, "identical_texts": 0, "near_duplicate_pairs": 0, "groups": 0}
    assert leakage(case, divided(case)) == {**nothing, "rows": 60, "rows_with_person": 60, "passed": True}


@pytest.mark.parametrize(
    ("column", "change", "expected"),
    [
        ("subject_id", lambda first: {first["train"]: "p", first["test"]: "p"}, {"subjects": 1}),
        ("group_id", lambda first: {first["train"]: "g", first["validation"]: "g"}, {"groups": 1}),
        (
            "messages",
            lambda first: {first["train"]: said(LETTER), first["test"]: said(LETTER)},
            {"identical_texts": 1, "near_duplicate_pairs": 1},
        ),
        (
            "messages",
            lambda first: {first["train"]: said(LETTER), first["test"]: said(f" {LETTER.upper()}\n")},
            {"identical_texts": 1, "near_duplicate_pairs": 1},
        ),
        (
            "messages",
            lambda first: {first["validation"]: said(LETTER), first["test"]: said(LETTER + "!")},
            {"near_duplicate_pairs": 1},
        ),
        (
            "messages",
            lambda first: {first["train"]: said(LETTER), first["test"]: said(LETTER + " now please")},
            {"near_duplicate_pairs": 1},
        ),
    ],
)
def test_each_kind_of_planted_leak_is_found(column: str, change: Callable, expected: dict) -> None:
    case = use_case()
    found = leakage(case, changed(divided(case), column, change))
    assert {
        name: count for name, count in found.items() if count and name not in ("rows", "rows_with_person", "passed")
    } == expected
    assert found["passed"] is False


def test_copies_on_one_side_and_an_edit_of_them_on_another_are_one_pair() -> None:
    case = use_case()
    splits = divided(case)
    train = [row for row, side in enumerate(splits["split"].to_pylist()) if side == "train"][:3]
    found = leakage(
        case,
        changed(
            splits,
            "messages",
            lambda first: {first["test"]: said(LETTER + " now"), **dict.fromkeys(train, said(LETTER))},
        ),
    )
    assert (found["near_duplicate_pairs"], found["identical_texts"]) == (1, 0)


def test_a_text_below_the_threshold_is_no_leak() -> None:
    case = use_case()
    other = LETTER.replace("thirty dollars", "forty euros").replace("checking", "savings")
    assert leakage(
        case,
        changed(divided(case), "messages", lambda first: {first["train"]: said(LETTER), first["test"]: said(other)}),
    )["passed"]


def test_a_person_on_two_sides_is_no_leak_where_the_yaml_allows_it() -> None:
    case = use_case(splits={"group_by_subject": False})
    assert leakage(case, changed(divided(case), "subject_id", lambda first: {first["train"]: "p", first["test"]: "p"}))[
        "passed"
    ]


@pytest.mark.integration
@pytest.mark.real_data
def test_real_complaints_with_their_template_letters_are_divided_without_leaks(shared_data: Path) -> None:
    frame = pd.read_csv(shared_data / "cfpb_2020" / "complaints_sample.csv").dropna(
        subset=["Consumer complaint narrative"]
    )
    texts = frame["Consumer complaint narrative"].tolist()
    case = use_case(splits={"rare_labels": "drop"})
    given = table(
        anonymized_schema(case),
        texts,
        label=frame["Product"].tolist(),
        record_id=[f"r{i:05d}" for i in range(len(texts))],
    )
    result = split(case, given)
    assert (
        leakage(case, result.kept)["passed"]
        and max(label_shares(case, TableRows(result.kept))["shift"].values()) < 0.02
    )
    assert _compare_all_with_all(result.kept, 0.7) == 0
    moved = changed(result.kept, "split", lambda first: dict.fromkeys(range(0, 1500, 2), "test"))
    found = leakage(case, moved)
    assert found["identical_texts"] > 5 and found["near_duplicate_pairs"] > 10 and not found["passed"]


def _compare_all_with_all(splits: pa.Table, threshold: float) -> int:
    """A hundred test records against all others by the definition of Jaccard similarity, without the code under
    test."""
    sets, sides = [], splits["split"].to_pylist()
    for text in user_texts(splits["messages"]):
        words = normalized_text(text).split()
        sets.append({tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))})
    test = [s for s, side in zip(sets, sides, strict=True) if side == "test"][:100]
    rest = [s for s, side in zip(sets, sides, strict=True) if side != "test"]
    near = 0
    for a in test:
        for b in rest:
            if min(len(a), len(b)) >= threshold * max(len(a), len(b)):
                both = len(a & b)
                near += both / (len(a) + len(b) - both) >= threshold
    return near
