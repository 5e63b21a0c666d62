"""Batch by batch and on numbered values, every expectation gives the answer of plain Great Expectations on the whole table."""

import random
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.records import splits_schema
from ft_platform.validation.columns import FlatColumns, columns_of
from ft_platform.validation.expectations import is_about_single_rows, validate
from ft_platform.validation.suite import default_expectations, expectation_names, implementation
from ft_platform_tests.tables import table, use_case

CASES: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_values_to_not_be_null", {"column": "label", "mostly": 0.9}),
    ("expect_column_values_to_not_be_null", {"column": "label", "mostly": 0.95}),
    ("expect_column_values_to_be_null", {"column": "record_date", "mostly": 0.5}),
    ("expect_column_values_to_be_between", {"column": "text_characters", "min_value": 10, "max_value": 90}),
    ("expect_column_values_to_be_between", {"column": "text_characters", "min_value": 10, "max_value": 90, "mostly": 0.5}),
    ("expect_column_values_to_be_between", {"column": "answer_characters", "min_value": 1}),
    ("expect_column_values_to_be_in_set", {"column": "label", "value_set": ["a", "b"]}),
    ("expect_column_values_to_be_in_set", {"column": "label", "value_set": ["a", "b", "c"], "mostly": 0.99}),
    ("expect_column_values_to_not_be_in_set", {"column": "label", "value_set": ["c"]}),
    ("expect_column_values_to_match_regex", {"column": "record_date", "regex": r"^2026-"}),
    ("expect_column_values_to_not_match_regex", {"column": "record_id", "regex": "7$", "mostly": 0.85}),
    ("expect_column_values_to_match_regex_list", {"column": "record_id", "regex_list": ["1$", "2$"], "match_on": "any"}),
    ("expect_column_value_lengths_to_equal", {"column": "record_id", "value": 4}),
    ("expect_column_value_lengths_to_be_between", {"column": "label", "min_value": 1, "max_value": 1}),
    ("expect_column_values_to_match_strftime_format", {"column": "record_date", "strftime_format": "%Y-%m-%d"}),
    ("expect_column_values_to_be_unique", {"column": "record_id"}),
    ("expect_column_values_to_be_unique", {"column": "feature_region"}),
    ("expect_column_values_to_be_unique", {"column": "text_characters", "mostly": 0.2}),
    ("expect_column_values_to_be_unique", {"column": "record_date", "mostly": 0.1}),
    ("expect_column_values_to_be_unique", {"column": "label"}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["record_id", "label"]}),
    ("expect_select_column_values_to_be_unique_within_record", {"column_list": ["label", "feature_region"], "ignore_row_if": "any_value_is_missing"}),
    ("expect_column_pair_values_to_be_equal", {"column_A": "label", "column_B": "feature_region", "ignore_row_if": "either_value_is_missing"}),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "text_characters", "column_B": "answer_characters", "mostly": 0.5}),
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
    ("expect_column_quantile_values_to_be_between", {"column": "text_characters", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[30, 70]]}}),
    ("expect_column_values_to_be_of_type", {"column": "text_characters", "type_": "int32"}),
    ("expect_column_values_to_be_in_type_list", {"column": "label", "type_list": ["str", "object", "string"]}),
    ("expect_column_values_to_not_match_regex_list", {"column": "record_id", "regex_list": ["1$", "2$"]}),
    ("expect_multicolumn_sum_to_equal", {"column_list": ["text_characters", "label_splits"], "sum_total": 50}),
    ("expect_multicolumn_values_to_be_equal", {"column_list": ["label", "feature_region"], "mostly": 0.1}),
    ("expect_column_pair_values_to_be_in_set", {"column_A": "label", "column_B": "split", "value_pairs_set": [["a", "train"], ["b", "test"]]}),
    ("expect_table_columns_to_match_set", {"column_set": ["record_id", "label"], "exact_match": True}),
    ("expect_table_row_count_to_be_between", {"min_value": 100, "max_value": 200}),
    ("expect_table_row_count_to_equal", {"value": 199}),
    ("expect_table_column_count_to_equal", {"value": 8}),
    ("expect_column_to_exist", {"column": "label"}),
    ("expect_column_value_z_scores_to_be_less_than", {"column": "text_characters", "threshold": 1.5, "double_sided": True}),
    ("expect_column_kl_divergence_to_be_less_than", {"column": "label", "partition_object": {"values": ["a", "b"], "weights": [0.5, 0.5]}, "threshold": 0.1}),
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

    from ft_platform.rows import TableRows

    flat = next(FlatColumns(TableRows(records)).batches(columns_of(case, "splits"), 10_000))
    asset = gx.get_context(mode="ephemeral").data_sources.add_pandas("plain").add_dataframe_asset("plain")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(batch_parameters={"dataframe": flat.to_pandas()})
    return batch.validate(implementation(name)(**kwargs), result_format="COMPLETE").to_json_dict()


@pytest.mark.parametrize("batch_rows", [30, 1000])
@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=[f"{i}-{name.removeprefix('expect_')}" for i, (name, _) in enumerate(CASES)])
def test_the_verdict_is_that_of_plain_great_expectations(name, kwargs, batch_rows, monkeypatch):
    monkeypatch.setattr("ft_platform.near_duplicates.copies.PLACES_AT_ONCE", 2 * batch_rows)  # uniqueness in three parts, and in one
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


def test_every_expectation_on_single_rows_that_is_offered_is_among_the_cases():
    tested = {name for name, _ in CASES} | {e.expectation for e in default_expectations(use_case(), "splits")}
    by_row = {name for name in expectation_names() if is_about_single_rows(name, _unbuilt(name))}
    rare = {name for name in by_row if "json" in name or "dateutil" in name or "like" in name}
    assert by_row - rare <= tested, sorted(by_row - rare - tested)


def _unbuilt(name: str) -> Any:
    """An instance without arguments: enough to ask for its class."""
    found = implementation(name)
    return found.__new__(found)
