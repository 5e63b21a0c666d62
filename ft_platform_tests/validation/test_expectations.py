import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.cleaning.validation.expectations import ValidationResult, validate
from ft_platform.cleaning.validation.suite import expectation_problems
from ft_platform.errors import ConfigError
from ft_platform.records.schemas import cleaned_schema, splits_schema
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.tables import table, use_case

CANARY = "Zaphod-Canary-4711"


def cleaned(case: NamedUseCase, rows: int = 30, **columns: Any) -> pa.Table:
    texts = [f"a text about case {i}" for i in range(rows)]
    given = {
        "label": ["a", "b"] * (rows // 2),
        "text_characters": [len(text) for text in texts],
        "feature_region": ["north"] * rows,
        **columns,
    }
    return table(cleaned_schema(case), texts, **given)


def divided(case: NamedUseCase, **columns: Any) -> pa.Table:
    sides = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    given = {
        "label": ["a", "b"] * 4,
        "split": sides,
        "group_id": [str(i) for i in range(8)],
        "text_characters": [9] * 8,
        **columns,
    }
    return table(splits_schema(case), [f"a text {i}" for i in range(8)], **given)


def with_expectation(table_name: str, expectation: str, **kwargs: Any) -> NamedUseCase:
    return use_case(validation={"expectations": [{"table": table_name, "expectation": expectation, "kwargs": kwargs}]})


def failed(result: ValidationResult) -> list[tuple]:
    assert result.passed is all(e["passed"] for e in result.expectations)
    return [
        (e["expectation"], e["kwargs"].get("column"), e["record_ids"]) for e in result.expectations if not e["passed"]
    ]


def test_good_records_pass_and_every_default_is_listed() -> None:
    case = use_case()
    result = validate(case, "cleaned_records", cleaned(case))
    assert result.passed and result.rows == 30 and failed(result) == []
    assert {
        "expectation": "expect_table_row_count_to_be_between",
        "kwargs": {"min_value": 20},
    }.items() <= result.expectations[2].items()
    assert [e["expectation"] for e in result.expectations] == [
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_be_unique",
        "expect_table_row_count_to_be_between",
        "expect_column_values_to_be_between",
        "expect_column_values_to_not_be_null",
    ]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"record_id": ["r1", "r1", *(f"x{i}" for i in range(28))]},
            ("expect_column_values_to_be_unique", "record_id", ["r1", "r1"]),
        ),
        (
            {"record_id": [None, *(f"x{i}" for i in range(29))]},
            ("expect_column_values_to_not_be_null", "record_id", []),
        ),
        (
            {"text_characters": [4, *[10] * 28, 20_001]},
            ("expect_column_values_to_be_between", "text_characters", ["r000", "r029"]),
        ),
        ({"label": [None, *["a"] * 29]}, ("expect_column_values_to_not_be_null", "label", ["r000"])),
    ],
)
def test_a_planted_fault_fails_its_default_expectation_and_names_the_records(columns: dict, expected: tuple) -> None:
    case = use_case()
    assert failed(validate(case, "cleaned_records", cleaned(case, **columns))) == [expected]


def test_too_few_rows_fail() -> None:
    case = use_case()
    assert failed(validate(case, "cleaned_records", cleaned(case, rows=18))) == [
        ("expect_table_row_count_to_be_between", None, [])
    ]
    assert not validate(case, "cleaned_records", cleaned(case, rows=0)).passed
    smaller = use_case(validation={"min_rows": 18})
    assert validate(smaller, "cleaned_records", cleaned(smaller, rows=18)).passed


def test_for_generation_every_record_has_an_answer() -> None:
    case = use_case("generation")
    answers = ["fine"] * 28 + ["", None]
    records = table(cleaned_schema(case), [f"a text {i}" for i in range(30)], answers, text_characters=[9] * 30)
    assert failed(validate(case, "cleaned_records", records)) == [
        ("expect_column_values_to_not_be_null", "answer_characters", ["r029"]),
        ("expect_column_values_to_be_between", "answer_characters", ["r028"]),
    ]


def test_splits_with_every_label_on_every_side_pass() -> None:
    case = use_case()
    assert failed(validate(case, "splits", divided(case))) == []


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {"label": ["a", "b", "a", "b", "a", "b", "a", "a"]},
            ("expect_column_values_to_be_in_set", "label_splits", ["r001", "r003", "r005"]),
        ),
        (
            {"split": ["train"] * 4 + ["validation"] * 2 + ["test", "holdout"]},
            ("expect_column_values_to_be_in_set", "split", ["r007"]),
        ),
        ({"split": ["train"] * 6 + ["validation"] * 2}, ("expect_column_distinct_values_to_equal_set", "split", [])),
        ({"record_id": ["x", "x", *"abcdef"]}, ("expect_column_values_to_be_unique", "record_id", ["x", "x"])),
    ],
)
def test_a_planted_fault_in_splits_fails(columns: dict, expected: tuple) -> None:
    case = use_case()
    assert expected in failed(validate(case, "splits", divided(case, **columns)))


def test_an_expectation_of_the_yaml_runs_on_its_table_only() -> None:
    case = with_expectation(
        "cleaned_records", "expect_column_values_to_be_in_set", column="feature_region", value_set=["south"]
    )
    *_, last = validate(case, "cleaned_records", cleaned(case)).expectations
    found = (last["passed"], last["unexpected_count"], last["unexpected_percent"], len(last["record_ids"]))
    assert found == (False, 30, 100.0, 20)
    assert validate(case, "splits", divided(case)).passed


def test_mostly_lets_some_records_differ() -> None:
    kwargs = {"column": "label", "value_set": ["a"]}
    for mostly, passed in ((0.5, True), (0.51, False)):
        case = with_expectation("cleaned_records", "expect_column_values_to_be_in_set", mostly=mostly, **kwargs)
        assert validate(case, "cleaned_records", cleaned(case)).passed is passed


def test_all_mistakes_are_named_at_once_with_what_was_meant() -> None:
    wrong = [
        {"table": "splits", "expectation": "expect_column_values_to_be_in_sett", "kwargs": {"column": "label"}},
        {
            "table": "cleaned_records",
            "expectation": "expect_column_values_to_not_be_null",
            "kwargs": {"column": "lable"},
        },
        {
            "table": "cleaned_records",
            "expectation": "expect_column_values_to_not_be_null",
            "kwargs": {"column": "split"},
        },
        {
            "table": "cleaned_records",
            "expectation": "expect_column_values_to_be_between",
            "kwargs": {"column": "label", "min": 3},
        },
        {
            "table": "cleaned_records",
            "expectation": "expect_column_values_to_be_between",
            "kwargs": {"column": "text_characters", "min_value": [1]},
        },
        {
            "table": "cleaned_records",
            "expectation": "expect_compound_columns_to_be_unique",
            "kwargs": {"column_list": ["label", "regoin"]},
        },
        {"table": "cleaned_records", "expectation": "expect_column_values_to_be_in_set", "kwargs": {"column": "label"}},
    ]
    case = use_case(validation={"expectations": wrong})
    with pytest.raises(ConfigError) as error:
        validate(case, "splits", divided(case))
    for index, part in enumerate(
        [
            "did you mean 'expect_column_values_to_be_in_set'?",
            "did you mean 'label'?",
            "'split' is not a column of cleaned_records",
            "kwargs.min is not an",
            "kwargs.min_value: value is not a valid float",
            "'regoin'",
            "kwargs.value_set: field required",
        ]
    ):
        assert (
            f"validation.expectations[{index}]." in error.value.problems[index] and part in error.value.problems[index]
        )
    assert len(error.value.problems) == 7
    assert "'feature_region'" in error.value.problems[1]


@pytest.mark.parametrize(
    "kwargs",
    [{"row_condition": '@__import__("os").getcwd()', "condition_parser": "pandas"}, {"result_format": "COMPLETE"}],
)
def test_arguments_that_run_code_or_return_values_are_refused(kwargs: dict) -> None:
    problems = expectation_problems(
        with_expectation("splits", "expect_column_values_to_not_be_null", column="label", **kwargs)
    )
    assert len(problems) == len(kwargs) and all("is not an argument" in problem for problem in problems)


def test_no_value_escapes_whatever_fails(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Great Expectations puts values into results, messages of exceptions and its log."""
    added = [
        ("expect_column_values_to_be_in_set", {"column": "label", "value_set": ["a"]}),
        ("expect_column_values_to_match_regex", {"column": "feature_region", "regex": "^x"}),
        ("expect_column_distinct_values_to_equal_set", {"column": "label", "value_set": ["a"]}),
        ("expect_column_most_common_value_to_be_in_set", {"column": "label", "value_set": ["a"]}),
        ("expect_column_pair_values_to_be_equal", {"column_A": "label", "column_B": "feature_region"}),
        ("expect_compound_columns_to_be_unique", {"column_list": ["label", "feature_region"]}),
        ("expect_column_value_lengths_to_equal", {"column": "label", "value": 1}),
        ("expect_select_column_values_to_be_unique_within_record", {"column_list": ["label", "feature_region"]}),
    ]
    listed = [{"table": "cleaned_records", "expectation": name, "kwargs": kwargs} for name, kwargs in added]
    case = use_case(validation={"expectations": listed})
    records = cleaned(case, label=[CANARY] * 30, feature_region=[CANARY] * 30)
    result = validate(case, "cleaned_records", records)
    assert [e["passed"] for e in result.expectations[-8:]] == [False, False, False, False, True, False, False, False]
    assert CANARY not in str(result)
    cannot = with_expectation("cleaned_records", "expect_column_values_to_be_between", column="label", min_value=3)
    with pytest.raises(ConfigError, match=r"cannot be computed; column types: \{'label': 'string'\}") as error:
        validate(cannot, "cleaned_records", records)
    assert error.value.__cause__ is None and error.value.__context__ is None
    printed = capfd.readouterr()
    assert CANARY not in f"{error.value}{printed.out}{printed.err}{caplog.text}"
    assert printed.out == printed.err == ""


def test_a_run_writes_no_file_opens_no_connection_and_prints_nothing(tmp_path: Path) -> None:
    """In a process of its own: Great Expectations decides at import whether it reports to its makers."""
    code = """
import socket, sys
def refuse(*args, **kwargs): raise SystemExit("connects")
socket.socket.connect = socket.create_connection = refuse
from ft_platform_tests.validation.test_expectations import cleaned, use_case, validate
assert "great_expectations" not in sys.modules
case = use_case()
assert validate(case, "cleaned_records", cleaned(case)).passed
"""
    root = str(Path(__file__).parents[2])
    environment = {
        "HOME": str(tmp_path),
        "PYTHONPATH": root,
        "PYTHONDONTWRITEBYTECODE": "1",
        "GX_ANALYTICS_ENABLED": "true",
    }
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "matplotlib" not in str(path)] == []
