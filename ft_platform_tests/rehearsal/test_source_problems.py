"""What a look at the source says against a use case."""

import copy

import pyarrow as pa
import pytest

from ft_platform.onboarding.rehearsal.source_problems import source_hints, source_problems
from ft_platform.sources.looking import Looked
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import minimal_attributes

ROWS = pa.table(
    {
        "id": [str(number) for number in range(12)],
        "text": [f"question {number}" for number in range(12)],
        "label": ["card", "loan", "bank"] * 4,
        "consent": ["yes"] * 12,
        "region": ["north", "south"] * 6,
    }
)


def problems(rows: pa.Table = ROWS, complete: bool = True, differing: frozenset[str] = frozenset(), **changed: dict):
    attributes = copy.deepcopy(minimal_attributes("unused.csv"))
    for section, values in changed.items():
        attributes.setdefault(section, {}).update(values)
    return source_problems(UseCase.model_validate(attributes), Looked(rows, complete, 1, differing))


def replaced(name: str, values: list) -> pa.Table:
    return ROWS.set_column(ROWS.schema.names.index(name), name, pa.array(values))


def test_a_source_that_fits_has_no_problem():
    assert problems() == []


def test_a_column_that_is_not_there_is_named_with_the_nearest_one_and_all_there_are():
    found = problems(record={"label": "Lable", "features": {"region": "Region"}})
    assert [place for place, _ in found] == [("record", "label"), ("record", "features", "region")]
    assert found[0][1] == "record.label: the source has no column 'Lable'; did you mean label?"
    assert found[1][1].endswith("did you mean region? The source has: id, text, label, consent, region")


def test_a_column_that_may_be_lacking_is_no_problem():
    assert problems(ROWS.drop_columns(["consent"]), record={"optional_columns": ["consent"]}) == []


def test_a_column_that_some_files_lack_is_one():
    ((place, text),) = problems(differing=frozenset({"region", "other"}))
    assert place == ("record", "features", "region") and "record.optional_columns" in text


@pytest.mark.parametrize(
    ("rows", "changed", "place", "says"),
    [
        (replaced("id", ["1"] * 12), {}, ("record", "id"), "11 of 12 values of column 'id' repeat"),
        (replaced("id", [None, *"abcdefghijk"]), {}, ("record", "id"), "1 of 12 rows have no value"),
        (
            ROWS,
            {"governance": {"accepted_consent": ["Yes"]}},
            ("governance", "accepted_consent"),
            "none of its values is in column 'consent', which has 1 others in 12 rows",
        ),
        (
            replaced("label", ["card", "loan"] * 5 + ["bank", "bank"]),
            {},
            ("splits", "rare_labels"),
            "1 of 3 labels have fewer than splits.min_rows_per_label (3) rows",
        ),
        (replaced("label", ["card"] * 12), {}, ("record", "label"), "has 1 different values; two are needed"),
    ],
)
def test_what_would_stop_the_first_run_is_said_without_a_value(rows, changed, place, says):
    ((where, text),) = problems(rows, **changed)
    assert where == place and says in text
    assert "question" not in text and "card" not in text.replace("discard", "")


def test_labels_that_mean_the_same_count_together_and_some_rows_say_nothing_about_rare_ones():
    rows = replaced("label", ["card", "loan"] * 5 + ["bank", "bank"])
    assert problems(rows, record={"label_names": {"bank": "loan"}}) == []
    assert problems(rows, complete=False) == []
    assert problems(rows, splits={"rare_labels": "drop"}) == []


def test_labels_that_differ_by_capitals_or_blanks_only_are_told_without_naming_one():
    attributes = minimal_attributes("letters.csv")
    labels = ["Shipping", "shipping", "SHIPPING", "Refund", "refund ", "Technical", "late  delivery", "Late-Delivery"]
    rows = pa.table({"id": [str(n) for n in range(8)], "text": ["x"] * 8, "label": labels})
    (told,) = source_hints(UseCase.model_validate(attributes), Looked(rows, True, 1))
    assert told.startswith("7 labels are probably 3:") and "record.label_names" in told and "hipping" not in told
    names = {"shipping": "Shipping", "SHIPPING": "Shipping", "refund": "Refund", "late  delivery": "Late-Delivery"}
    attributes["record"]["label_names"] = names
    assert source_hints(UseCase.model_validate(attributes), Looked(rows, True, 1)) == []
