"""Batch by batch and on numbered values, every expectation gives the answer of plain Great Expectations on the whole
table."""

import random
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.cleaning.validation.columns import FlatColumns, columns_of
from ft_platform.cleaning.validation.expectations import validate
from ft_platform.cleaning.validation.offered import OFFERED
from ft_platform.cleaning.validation.suite import expectation_problems, implementation
from ft_platform.records.schemas import splits_schema
from ft_platform_tests.tables import table, use_case

IN_ORDER = [
    "record_id",
    "text_characters",
    "answer_characters",
    "label",
    "record_date",
    "split",
    "label_splits",
    "feature_region",
]
CASES: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_values_to_not_be_null", {"column": "label", "mostly": 0.9}),
    ("expect_column_values_to_not_be_null", {"column": "label", "mostly": 0.95}),
    ("expect_column_values_to_be_null", {"column": "record_date", "mostly": 0.5}),
    ("expect_column_values_to_be_between", {"column": "text_characters", "min_value": 10, "max_value": 90}),
    (
        "expect_column_values_to_be_between",
        {"column": "text_characters", "min_value": 10, "max_value": 90, "mostly": 0.5},
    ),
    ("expect_column_values_to_be_between", {"column": "answer_characters", "min_value": 1}),
    ("expect_column_values_to_be_in_set", {"column": "label", "value_set": ["a", "b"]}),
    ("expect_column_values_to_be_in_set", {"column": "label", "value_set": ["a", "b", "c"], "mostly": 0.99}),
    ("expect_column_values_to_not_be_in_set", {"column": "label", "value_set": ["c"]}),
    ("expect_column_values_to_match_regex", {"column": "record_date", "regex": r"^2026-"}),
    ("expect_column_values_to_not_match_regex", {"column": "record_id", "regex": "7$", "mostly": 0.85}),
    (
        "expect_column_values_to_match_regex_list",
        {"column": "record_id", "regex_list": ["1$", "2$"], "match_on": "any"},
    ),
    ("expect_column_value_lengths_to_equal", {"column": "record_id", "value": 4}),
    ("expect_column_value_lengths_to_be_between", {"column": "label", "min_value": 1, "max_value": 1}),
    ("expect_column_values_to_match_strftime_format", {"column": "record_date", "strftime_format": "%Y-%m-%d"}),
    ("expect_column_values_to_be_unique", {"column": "record_id"}),
    ("expect_column_values_to_be_unique", {"column": "feature_region"}),
    ("expect_column_values_to_be_unique", {"column": "text_characters", "mostly": 0.2}),
    ("expect_column_values_to_be_unique", {"column": "record_date", "mostly": 0.1}),
    ("expect_column_values_to_be_unique", {"column": "label"}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["record_id", "label"]}),
    (
        "expect_select_column_values_to_be_unique_within_record",
        {"column_list": ["label", "feature_region"], "ignore_row_if": "any_value_is_missing"},
    ),
    (
        "expect_column_pair_values_to_be_equal",
        {"column_A": "label", "column_B": "feature_region", "ignore_row_if": "either_value_is_missing"},
    ),
    (
        "expect_column_pair_values_a_to_be_greater_than_b",
        {"column_A": "text_characters", "column_B": "answer_characters", "mostly": 0.5},
    ),
    ("expect_column_distinct_values_to_equal_set", {"column": "split", "value_set": ["train", "validation", "test"]}),
    ("expect_column_distinct_values_to_be_in_set", {"column": "label", "value_set": ["a"]}),
    ("expect_column_distinct_values_to_contain_set", {"column": "label", "value_set": ["a", "z"]}),
    ("expect_column_unique_value_count_to_be_between", {"column": "record_id", "min_value": 100, "max_value": 200}),
    ("expect_column_proportion_of_unique_values_to_be_between", {"column": "label", "max_value": 0.1}),
    ("expect_column_mean_to_be_between", {"column": "text_characters", "min_value": 40, "max_value": 60}),
    ("expect_column_median_to_be_between", {"column": "text_characters", "min_value": 1, "max_value": 20}),
    ("expect_column_max_to_be_between", {"column": "text_characters", "max_value": 99}),
    ("expect_column_min_to_be_between", {"column": "answer_characters", "min_value": 5}),
    ("expect_column_stdev_to_be_between", {"column": "text_characters", "min_value": 1}),
    ("expect_column_sum_to_be_between", {"column": "text_characters", "min_value": 1}),
    ("expect_column_most_common_value_to_be_in_set", {"column": "feature_region", "value_set": ["north"]}),
    (
        "expect_column_quantile_values_to_be_between",
        {"column": "text_characters", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[30, 70]]}},
    ),
    ("expect_column_values_to_be_of_type", {"column": "text_characters", "type_": "int32"}),
    ("expect_column_values_to_be_in_type_list", {"column": "label", "type_list": ["str", "object", "string"]}),
    ("expect_column_values_to_not_match_regex_list", {"column": "record_id", "regex_list": ["1$", "2$"]}),
    ("expect_multicolumn_sum_to_equal", {"column_list": ["text_characters", "label_splits"], "sum_total": 50}),
    ("expect_multicolumn_values_to_be_equal", {"column_list": ["label", "feature_region"], "mostly": 0.1}),
    (
        "expect_column_pair_values_to_be_in_set",
        {"column_A": "label", "column_B": "split", "value_pairs_set": [["a", "train"], ["b", "test"]]},
    ),
    ("expect_table_columns_to_match_set", {"column_set": ["record_id", "label"], "exact_match": True}),
    ("expect_table_row_count_to_be_between", {"min_value": 100, "max_value": 200}),
    ("expect_table_row_count_to_equal", {"value": 199}),
    ("expect_table_column_count_to_equal", {"value": 8}),
    ("expect_column_to_exist", {"column": "label"}),
    (
        "expect_column_value_z_scores_to_be_less_than",
        {"column": "text_characters", "threshold": 1.5, "double_sided": True},
    ),
    ("expect_column_values_to_be_json_parseable", {"column": "record_id", "mostly": 0.9}),
    ("expect_column_values_to_be_json_parseable", {"column": "feature_region", "mostly": 0.1}),
    ("expect_column_values_to_be_dateutil_parseable", {"column": "record_date"}),
    ("expect_column_values_to_be_dateutil_parseable", {"column": "record_date", "mostly": 0.3}),
    ("expect_column_values_to_be_increasing", {"column": "text_characters", "mostly": 0.4}),
    ("expect_column_values_to_be_decreasing", {"column": "text_characters", "strictly": True}),
    (
        "expect_column_values_to_not_be_outliers",
        {"column": "text_characters", "method": "iqr", "multiplier": 0.2, "mostly": 0.8},
    ),
    ("expect_column_values_to_not_be_outliers", {"column": "text_characters", "method": "std", "multiplier": 1.5}),
    ("expect_column_proportion_of_non_null_values_to_be_between", {"column": "label", "min_value": 0.95}),
    ("expect_column_type_to_be", {"column": "text_characters", "type_": "int32"}),
    ("expect_table_column_count_to_be_between", {"min_value": 1, "max_value": 7}),
    ("expect_table_columns_to_match_ordered_list", {"column_list": ["record_id", "text_characters"]}),
    ("expect_table_columns_to_match_ordered_list", {"column_list": IN_ORDER}),
    (
        "expect_column_kl_divergence_to_be_less_than",
        {"column": "label", "partition_object": {"values": ["a", "b"], "weights": [0.5, 0.5]}, "threshold": 0.1},
    ),
]


def records(case, rows: int = 150) -> pa.Table:
    picked = random.Random(4)
    ids = [f"{i:04d}" for i in range(rows)]
    ids[40] = ids[3]
    return table(
        splits_schema(case),
        ["some text"] * rows,
        [picked.choice(["yes", "", "a longer answer"]) for _ in range(rows)],
        record_id=ids,
        label=[picked.choice(["a", "b", "c", None]) if i % 4 == 0 else picked.choice("ab") for i in range(rows)],
        record_date=[picked.choice(["2026-01-02", "2025-13-02", None]) for _ in range(rows)],
        text_characters=[picked.randrange(1, 100) for _ in range(rows)],
        feature_region=[picked.choice(["north", "south", "a"]) for _ in range(rows)],
        split=[picked.choice(["train", "validation", "test"]) for _ in range(rows)],
        group_id=ids,
    )


def plain(case, records: pa.Table, name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """What Great Expectations says of the whole table as one data frame."""
    import great_expectations as gx

    from ft_platform.records.rows import TableRows

    flat = next(FlatColumns(TableRows(records)).batches(columns_of(case, "splits"), 10_000))
    asset = gx.get_context(mode="ephemeral").data_sources.add_pandas("plain").add_dataframe_asset("plain")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(
        batch_parameters={"dataframe": flat.to_pandas()}
    )
    return batch.validate(implementation(name)(**kwargs), result_format="COMPLETE").to_json_dict()


@pytest.mark.parametrize("batch_rows", [30, 1000])
@pytest.mark.parametrize(
    ("name", "kwargs"), CASES, ids=[f"{i}-{name.removeprefix('expect_')}" for i, (name, _) in enumerate(CASES)]
)
def test_the_verdict_is_that_of_plain_great_expectations(name, kwargs, batch_rows, monkeypatch):
    monkeypatch.setattr(
        "ft_platform.records.near_duplicates.copies.PLACES_AT_ONCE", 2 * batch_rows
    )  # uniqueness in three parts, and in one
    case = use_case(validation={"expectations": [{"table": "splits", "expectation": name, "kwargs": kwargs}]})
    rows = records(case)
    expected = plain(case, rows, name, kwargs)
    ours = validate(case, "splits", rows, batch_rows=batch_rows).expectations[-1]
    assert not expected["exception_info"].get("raised_exception"), expected["exception_info"]
    assert ours["passed"] == expected["success"]
    if "unexpected_count" in expected["result"]:
        assert ours["unexpected_count"] == expected["result"]["unexpected_count"]
    if expected["result"].get("unexpected_percent") is not None and "element_count" in expected["result"]:
        assert ours["unexpected_percent"] == pytest.approx(expected["result"]["unexpected_percent"])
    wrong = expected["result"].get("unexpected_index_list")
    if wrong:
        ids = rows["record_id"].to_pylist()
        places = [entry["index"] if isinstance(entry, dict) and "index" in entry else entry for entry in wrong]
        assert ours["record_ids"] == [ids[int(place)] for place in places][:20]


NOT_OFFERED = {
    "expect_column_values_to_match_json_schema": "no column holds JSON, and a `$ref` is fetched from the network",
    "expect_column_values_to_match_like_pattern": "SQL",
    "expect_column_values_to_match_like_pattern_list": "SQL",
    "expect_column_values_to_not_match_like_pattern": "SQL",
    "expect_column_values_to_not_match_like_pattern_list": "SQL",
    "expect_query_results_to_match_comparison": "SQL",
    "expect_table_row_count_to_equal_other_table": "SQL",
}


def test_every_expectation_on_offer_is_among_the_cases_and_every_other_one_has_a_reason() -> None:
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    assert {name for name, _ in CASES} == set(OFFERED)
    there = {name for name in list_registered_expectation_implementations() if name.startswith("expect_")}
    assert there - set(OFFERED) == set(NOT_OFFERED), (
        "an expectation that is new in Great Expectations: add a case, or the reason why it is not offered"
    )


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_what_is_not_offered_is_refused_with_the_name_of_the_nearest(name: str) -> None:
    case = use_case(validation={"expectations": [{"table": "splits", "expectation": name, "kwargs": {}}]})
    (problem,) = expectation_problems(case)
    assert f"validation.expectations[0].expectation {name!r} is not offered; did you mean 'expect_" in problem
