"""The expectations of a table: the defaults of its stage and those of the YAML, checked before anything runs."""

import os
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from ft_platform.cleaning.validation.columns import TableName, columns_of
from ft_platform.cleaning.validation.offered import OFFERED
from ft_platform.errors import ConfigError
from ft_platform.records.columns import SIDES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.validation import Expectation

COLUMN_KWARGS = ("column", "column_A", "column_B", "column_list", "column_set")
RUN_AS_PYTHON = ("row_condition", "condition_parser")
"""Arguments that end in `DataFrame.query`, which can call anything."""
NOT_ABOUT_DATA = (
    *("result_format", "catch_exceptions", "severity", "id", "meta", "notes"),
    *("description", "rendered_content", "windows", "batch_id", "library_metadata"),
)


def suite(use_case: NamedUseCase, table_name: TableName) -> list[tuple[Expectation, Any]]:
    """Expectations with what Great Expectations runs for them: defaults first, then those of the YAML in their order.

    Raises:
        ConfigError: all that is wrong with the expectations of the YAML, for every table.
    """
    added = added_expectations(use_case, table_name)
    return [
        *((e, implementation(e.expectation)(**e.kwargs)) for e in default_expectations(use_case, table_name)),
        *added,
    ]


def added_expectations(use_case: NamedUseCase, table_name: TableName) -> list[tuple[Expectation, Any]]:
    """Expectations of the YAML on a table, with what Great Expectations runs for them.

    Raises:
        ConfigError: all that is wrong with the expectations of the YAML, for every table.
    """
    if problems := expectation_problems(use_case):
        raise ConfigError(problems)
    return [
        (e, implementation(e.expectation)(**e.kwargs))
        for e in use_case.settings.validation.expectations
        if e.table == table_name
    ]


def default_expectations(use_case: NamedUseCase, table_name: TableName) -> list[Expectation]:
    """What always has to hold."""
    settings = use_case.settings

    def expect(expectation: str, **kwargs: Any) -> Expectation:
        return Expectation(table=table_name, expectation=f"expect_{expectation}", kwargs=kwargs)

    made = [
        expect("column_values_to_not_be_null", column="record_id"),
        expect("column_values_to_be_unique", column="record_id"),
    ]
    if table_name == "cleaned_records":
        cleaning = settings.cleaning
        made += [
            expect("table_row_count_to_be_between", min_value=settings.validation.min_rows),
            expect(
                "column_values_to_be_between",
                column="text_characters",
                min_value=cleaning.min_characters,
                max_value=cleaning.max_characters,
            ),
        ]
    else:
        made += [
            expect("table_row_count_to_be_between", min_value=len(SIDES)),
            expect("column_values_to_be_in_set", column="split", value_set=list(SIDES)),
            expect("column_distinct_values_to_equal_set", column="split", value_set=list(SIDES)),
        ]
    if settings.task.kind == "classification":
        made += [expect("column_values_to_not_be_null", column="label")]
        if table_name == "splits" and settings.splits.strategy == "random":
            made += [expect("column_values_to_be_in_set", column="label_splits", value_set=[len(SIDES)])]
    else:
        made += [
            expect("column_values_to_not_be_null", column="answer_characters"),
            expect("column_values_to_be_between", column="answer_characters", min_value=1),
        ]
    return made


def expectation_problems(use_case: NamedUseCase) -> list[str]:
    """What is wrong with the expectations of the YAML, one line each. Imports Great Expectations (5 s) where there are
    any."""
    problems = []
    for index, expectation in enumerate(use_case.settings.validation.expectations):
        where = f"{use_case.name}: validation.expectations[{index}]"
        problems += [f"{where}.{problem}" for problem in _problems(use_case, expectation)]
    return problems


def _problems(use_case: NamedUseCase, expectation: Expectation) -> list[str]:
    from pydantic.v1 import ValidationError

    if expectation.expectation not in OFFERED:
        return [
            f"expectation {expectation.expectation!r} is not"
            f" offered{_closest(expectation.expectation, OFFERED, alike=0.0)}"
        ]
    found = implementation(expectation.expectation)
    allowed = sorted(set(found.__fields__) - {*RUN_AS_PYTHON, *NOT_ABOUT_DATA})
    problems = [
        f"kwargs.{name} is not an argument of {expectation.expectation}; it has {allowed}"
        for name in expectation.kwargs
        if name not in allowed
    ]
    columns = columns_of(use_case, expectation.table)
    for name in COLUMN_KWARGS:
        for column in _as_list(expectation.kwargs.get(name)):
            if column not in columns:
                problems.append(
                    f"kwargs.{name}: {column!r} is not a column of {expectation.table}{_closest(str(column), columns)};"
                    f" there are {columns}"
                )
    if problems:
        return problems
    try:
        found(**expectation.kwargs)
    except ValidationError as error:
        wrong = {".".join(str(part) for part in e["loc"]): e["msg"] for e in reversed(error.errors())}
        about_all = wrong.pop("__root__", None)  # follows from the others, where there are any
        return [f"kwargs.{path}: {message}" for path, message in sorted(wrong.items())] or [f"kwargs: {about_all}"]
    return []


def implementation(name: str) -> Any:
    """The class of Great Expectations behind the name of an expectation."""
    # Great Expectations reads this once, at import: without it, each validation run is reported to its makers.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    from great_expectations.expectations.registry import get_expectation_impl

    return get_expectation_impl(name)


def _closest(name: str, names: Sequence[str], alike: float = 0.6) -> str:
    found = get_close_matches(name, names, n=1, cutoff=alike)
    return f"; did you mean {found[0]!r}?" if found else ""


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple, set)) else [value]
