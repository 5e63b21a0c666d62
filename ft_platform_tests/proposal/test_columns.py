"""What a column looks like, in figures."""

import json

import pyarrow as pa
import pytest

from ft_platform.onboarding.proposal.columns import column_of
from ft_platform.onboarding.proposal.shapes import shape_of

SENTENCES = [f"This is sentence number {number} of some." for number in range(40)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (SENTENCES, "text"),
        (["card", "loan", "bank account"], "code"),  # two words at most: categories
        (["1", "-2.5", "1e3", "1,000"], "number"),
        (["330XX", "10001"], "code"),  # a masked postal code is no number
        (["2020/3/18", "2019/9/24"], "date"),
        (["2024-05-01 10:20:00", "2024-05-01T10:20:00Z"], "date"),
        (["3/14/2025 1:20", "3/15/2025 2:10"], "date"),
        (["2024"], "number"),  # a year alone may be any number
        (["yes", "No"], "yes or no"),
        (["true"], "yes or no"),
        (["yes", "no", "maybe"], "code"),
        (['[{"role": "user"}]'], "list"),
        (['{"a": 1}'], "object"),
        (["[sic]", "[nothing]"], "code"),  # begins like a list and is none
        ([None, " "], "empty"),
    ],
)
def test_the_kind_of_a_column_follows_from_its_values(values, kind):
    assert column_of("x", pa.array(values, pa.string())).kind == kind


def test_figures_count_blanks_as_empty_and_know_the_rarest_value():
    found = column_of("x", pa.array(["a", "a", " ", None, "bcd"]))
    assert (found.rows, found.filled, found.different, found.rarest) == (5, 3, 2, 1)
    assert found.empty == pytest.approx(0.4) and not found.is_unique


@pytest.mark.parametrize(("dates", "year_first"), [(["2020-01-02"], True), (["02.01.2020"], False)])
def test_whether_days_and_months_are_told_apart(dates, year_first):
    assert column_of("x", pa.array(dates)).year_first is year_first


def test_of_nested_values_only_keys_of_chat_formats_are_kept():
    turns = json.dumps([{"from": "human", "value": "Hi", "Erika Mustermann": "x"}])
    assert column_of("x", pa.array([turns])).keys == {"from", "value"}


def test_five_rows_are_shown_by_their_lengths_alone():
    table = pa.table({"text": [*SENTENCES[:4], None, "left out"]})
    (line,) = shape_of([column_of("text", table.column("text"))], table, {"text": ["text"]})
    assert line[:2] == ("text", "text") and line[-1] == "34 34 34 34 -"
