"""A validation run: Great Expectations on the flat columns of a table, without the table in memory.

Great Expectations wants a whole data frame. Expectations about single rows run on one frame of `BATCH_ROWS` rows after
the other and their counts are added; the others (uniqueness, order, statistics, sets of values) run once on the columns
they name, with texts of many values as the numbers of their hashes where only equality counts. Each verdict is that of
Great Expectations.

Covered: results name failing records by record_id only; values, which the results of Great Expectations hold, are left
behind."""

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.cleaning.validation.columns import FlatColumns, TableName, columns_of
from ft_platform.cleaning.validation.suite import COLUMN_KWARGS, suite
from ft_platform.errors import ConfigError, DataError
from ft_platform.process.memory import only_new_garbage
from ft_platform.process.progress import report
from ft_platform.records.key_hashes import KeyHashes, collected
from ft_platform.records.near_duplicates.copies import key_ranges, starts_of_equal
from ft_platform.records.rows import Rows, TableRows
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.validation import Expectation

BATCH_ROWS = 250_000
LARGE_ROWS = 50_000
"""Rows of a frame from which its memory is worth a full garbage collection."""
SHOWN_IDS = 20
ROW = "row_number"
RESULT_FORMAT = {"result_format": "SUMMARY", "include_unexpected_rows": True, "partial_unexpected_count": SHOWN_IDS}
"""With the rows that do not fit as a frame: `unexpected_index_column_names` costs 0.1 ms for each of them."""

EVERY_ROW = {"result_format": "COMPLETE", "partial_unexpected_count": 0, "return_unexpected_index_query": False}
"""With the index of every row that does not fit. As a frame or a list of values they end at 200
(`great_expectations.constants.MAX_RESULT_RECORDS`)."""

ABOUT_ALL_ROWS = frozenset(
    [
        "expect_column_values_to_be_unique",
        "expect_compound_columns_to_be_unique",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_decreasing",
        "expect_column_value_z_scores_to_be_less_than",
        "expect_column_values_to_not_be_outliers",
        "expect_column_values_to_be_of_type",  # the type of a frame's column depends on whether it has nulls
        "expect_column_values_to_be_in_type_list",
    ]
)
"""Expectations that Great Expectations counts by row but that look at other rows as well."""

UNIQUE, UNIQUE_COUNT = "expect_column_values_to_be_unique", "expect_column_unique_value_count_to_be_between"
"""Expectations that give the same answer on the numbers of values as on the values."""
ABOUT_DISTINCT_VALUES = frozenset(
    f"expect_column_distinct_values_to_{how}_set" for how in ("be_in", "contain", "equal")
)
"""Expectations that give the same answer where each value stands once."""


@dataclass(frozen=True)
class ValidationResult:
    """What a validation run found.

    Attributes:
        passed: whether every expectation holds.
        rows: rows of the table.
        expectations: one dictionary each: `expectation` and `kwargs` as in the suite, `passed`, `unexpected_count` and
            `unexpected_percent` in [0, 100] (None where an expectation is not about single values), `observed` where
            that is a number of the table, and `record_ids`, up to 20 of the records that do not fit.
    """

    passed: bool
    rows: int
    expectations: list[dict[str, Any]]


@dataclass
class Counted:
    """The sum of what Great Expectations said about the batches.

    Attributes:
        rows_judged: rows that the expectation is about: those that are not null, or not ignored.
        unexpected_rows: row numbers of up to `SHOWN_IDS` rows that do not fit.
        observed: what an expectation about the whole table found, where that is a number. A text could be a value of a
            record.
    """

    passed: bool = True
    unexpected: int | None = None
    rows_judged: int = 0
    unexpected_rows: tuple[int, ...] = ()
    observed: int | float | None = None


def validate(
    use_case: NamedUseCase, table_name: TableName, rows: Rows | pa.Table, batch_rows: int = BATCH_ROWS
) -> ValidationResult:
    """Runs the defaults of the stage and the expectations of the YAML.

    Raises:
        ConfigError: an expectation of the YAML is unknown, has wrong arguments or cannot be computed on its column.
    """
    table = TableRows(rows) if isinstance(rows, pa.Table) else rows
    flat = FlatColumns(table)
    run = _Run(use_case, table_name, flat, batch_rows)
    expectations = suite(use_case, table_name)
    with only_new_garbage() if table.num_rows >= LARGE_ROWS else nullcontext():
        found = _counted(run, table_name, expectations)
    ids = _record_ids(table, sorted({row for counted in found.values() for row in counted.unexpected_rows}))
    results = [_result(expectation, found[place], ids) for place, (expectation, _) in enumerate(expectations)]
    return ValidationResult(all(result["passed"] for result in results), table.num_rows, results)


def _counted(
    run: "_Run", table_name: TableName, expectations: Sequence[tuple[Expectation, Any]]
) -> dict[int, "Counted"]:
    """Of each expectation, by its place."""
    by_row = [
        place
        for place, (expectation, implementation) in enumerate(expectations)
        if is_about_single_rows(expectation.expectation, implementation)
    ]
    found = run.by_row([(place, *expectations[place]) for place in by_row])
    for place, (expectation, implementation) in enumerate(expectations):
        if place not in found:
            in_parts = expectation.expectation == UNIQUE and run.is_text(expectation)
            found[place] = (
                run.unique(expectation, implementation) if in_parts else run.whole(expectation, implementation)
            )
            report(table_name, len(found), len(expectations), "expectations")
    return found


def is_about_single_rows(name: str, implementation: Any) -> bool:
    """Whether the verdict about a row depends on this row alone, so that counts of batches may be added."""
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )

    return (
        isinstance(implementation, (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation))
        and name not in ABOUT_ALL_ROWS
    )


def failing_rows(
    use_case: NamedUseCase, table_name: TableName, flat: FlatColumns, expectation: Expectation, implementation: Any
) -> np.ndarray:
    """Row numbers of all rows that do not meet an expectation about single rows, ascending. One frame: for a part of a
    table.

    Raises:
        ConfigError: the expectation cannot be computed on its column.
    """
    table = pa.concat_tables(flat.batches(named_columns(use_case, table_name, expectation), max(flat.num_rows, 1)))
    with _frame(table, 0) as batch:
        found = batch.validate(implementation, result_format=EVERY_ROW)
    _require_computed(use_case, expectation, found, table.schema)
    rows = np.sort(np.array(found.result.get("unexpected_index_list") or [], dtype=np.int64))
    if len(rows) != found.result["unexpected_count"]:
        raise DataError(
            f"{use_case.name}: {expectation.expectation} counts {found.result['unexpected_count']} records that do not"
            f" fit and names {len(rows)}"
        )
    return rows


def named_columns(use_case: NamedUseCase, table_name: TableName, expectation: Expectation) -> list[str]:
    """Columns that the arguments of an expectation name; none where it is about the columns of the table, which it then
    must see all."""
    if expectation.expectation.startswith("expect_table_"):
        return []
    given = [expectation.kwargs.get(name) for name in COLUMN_KWARGS]
    names = [name for value in given for name in ([value] if isinstance(value, str) else list(value or []))]
    return [name for name in dict.fromkeys(names) if name in columns_of(use_case, table_name)]


def _unexpected_rows(found: Any) -> list[int]:
    """Row numbers of the first rows that do not fit, in a result of Great Expectations."""
    frame = found.result.get("unexpected_rows")
    return [] if frame is None or frame.empty else frame[ROW].tolist()


def _require_computed(use_case: NamedUseCase, expectation: Expectation, found: Any, schema: pa.Schema) -> None:
    if _raised(found.exception_info):
        kwargs = expectation.model_dump(mode="json")["kwargs"]
        types = {field.name: str(field.type) for field in schema if field.name in str(kwargs)}
        raise ConfigError(
            [f"{use_case.name}: {expectation.expectation} with {kwargs} cannot be computed; column types: {types}"],
            "Check its arguments in `validation.expectations`",
        )


@dataclass
class _Run:
    """Great Expectations on the flat columns of one table."""

    use_case: NamedUseCase
    table_name: TableName
    flat: FlatColumns
    batch_rows: int

    def by_row(self, expectations: Sequence[tuple[int, Expectation, Any]]) -> dict[int, Counted]:
        """Counts of each expectation, added over all batches."""
        found = {place: Counted() for place, _, _ in expectations}
        named = (named_columns(self.use_case, self.table_name, expectation) for _, expectation, _ in expectations)
        names = list(dict.fromkeys(chain.from_iterable(named)))
        if not names:
            return found
        done = 0
        for table in self.flat.batches(names, self.batch_rows):
            with _frame(table, done) as batch:
                for place, expectation, implementation in expectations:
                    validated = batch.validate(implementation, result_format=RESULT_FORMAT)
                    self._add(found[place], expectation, validated, table.schema)
            done += table.num_rows
            report(self.table_name, done, self.flat.num_rows, "rows validated")
        for place, _, implementation in expectations:
            _judge(found[place], implementation)
        return found

    def whole(self, expectation: Expectation, implementation: Any) -> Counted:
        """An expectation on all rows at once, with the columns it names."""
        names = named_columns(self.use_case, self.table_name, expectation)
        counted = Counted()
        if names:
            if expectation.expectation in ABOUT_DISTINCT_VALUES and len(names) == 1:
                table = pa.table({names[0]: self._distinct(names[0])})
            elif expectation.expectation == UNIQUE_COUNT and self.is_text(expectation):
                table = pa.table({names[0]: _as_codes(*self._hashes(names[0]))})
            else:
                table = pa.concat_tables(self.flat.batches(names, self.batch_rows))
        elif expectation.expectation.startswith("expect_table_row_count"):
            table = pa.table({"rows": pa.array(np.zeros(self.flat.num_rows, np.int8))})
        else:  # about the columns of the table
            table = next(iter(self.flat.batches(columns_of(self.use_case, self.table_name), self.batch_rows)))
        # Expectations about the columns of a table must not see a column of ours.
        with _frame(table, 0 if names else None) as batch:
            validated = batch.validate(implementation, result_format=RESULT_FORMAT if names else "SUMMARY")
        self._add(counted, expectation, validated, table.schema)
        counted.passed = bool(validated.success)
        observed = validated.result.get("observed_value")
        observed = observed.item() if isinstance(observed, np.generic) else observed
        counted.observed = observed if isinstance(observed, (int, float)) and not isinstance(observed, bool) else None
        return counted

    def unique(self, expectation: Expectation, implementation: Any) -> Counted:
        """Whether no text stands twice, in parts: equal texts are in one part, so the counts of the parts may be
        added."""
        (name,) = named_columns(self.use_case, self.table_name, expectation)
        hashes, missing = self._hashes(name)
        counted, rows = Counted(), []
        for places in key_ranges(hashes):
            table = pa.table({name: _as_codes(hashes[places], missing[places])})
            part = Counted()
            with _frame(table, places) as batch:
                self._add(part, expectation, batch.validate(implementation, result_format=RESULT_FORMAT), table.schema)
            counted.unexpected = (counted.unexpected or 0) + (part.unexpected or 0)
            counted.rows_judged += part.rows_judged
            rows += part.unexpected_rows
        counted.unexpected_rows = tuple(sorted(rows)[:SHOWN_IDS])
        _judge(counted, implementation)
        return counted

    def is_text(self, expectation: Expectation) -> bool:
        """Whether it is about one column, and that holds texts."""
        names = named_columns(self.use_case, self.table_name, expectation)
        kind = next(self._column(names[0])).type if len(names) == 1 else pa.null()
        return pa.types.is_string(kind) or pa.types.is_large_string(kind)

    def _column(self, name: str) -> Iterator[pa.Array]:
        return (table[name].combine_chunks() for table in self.flat.batches([name], self.batch_rows))

    def _hashes(self, name: str) -> tuple[KeyHashes, np.ndarray]:
        """Hashes of the texts of a column, and where there is none."""
        missing = np.concatenate([part.is_null().to_numpy(zero_copy_only=False) for part in self._column(name)])
        return collected(self._column(name), self.flat.num_rows), missing

    def _distinct(self, name: str) -> pa.Array:
        """Each value of a column once, null among them."""
        return pa.chunked_array([part.unique() for part in self._column(name)], self.flat.type_of(name)).unique()

    def _add(self, counted: Counted, expectation: Expectation, found: Any, schema: pa.Schema) -> None:
        _require_computed(self.use_case, expectation, found, schema)
        result = found.result
        if result.get("unexpected_count") is None:
            return
        counted.unexpected = (counted.unexpected or 0) + int(result["unexpected_count"])
        if result.get("element_count") is None:  # values of a set, not rows
            return
        counted.rows_judged += int(result["element_count"]) - int(result.get("missing_count") or 0)
        counted.unexpected_rows = (*counted.unexpected_rows, *_unexpected_rows(found))[:SHOWN_IDS]


def _judge(counted: Counted, implementation: Any) -> None:
    """The verdict on added counts, as Great Expectations works it out from those of one frame."""
    fitting = counted.rows_judged - (counted.unexpected or 0)
    counted.passed = counted.rows_judged == 0 or fitting / counted.rows_judged >= float(implementation.mostly)


@contextmanager
def _frame(table: pa.Table, rows: int | np.ndarray | None) -> Iterator[Any]:
    """A table as a batch of Great Expectations in memory: nothing written, nothing printed, nothing sent.

    Args:
        rows: number of the first row, or of each; None: without the column `ROW`.
    """
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # its messages quote values
    try:
        context = gx.get_context(mode="ephemeral")  # stays the current one of the library, with what it holds
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("records").add_dataframe_asset("flat")
        frame = table.to_pandas()
        if rows is not None:
            frame[ROW] = np.arange(rows, rows + table.num_rows) if isinstance(rows, int) else rows
        yield asset.add_batch_definition_whole_dataframe("all").get_batch(batch_parameters={"dataframe": frame})
        context.data_sources.delete("records")
    finally:
        logger.setLevel(level)
        if table.num_rows >= LARGE_ROWS:
            # Great Expectations holds frames and what it worked out from them in reference cycles: the next ones would
            # come on top.
            gc.collect()
            pa.default_memory_pool().release_unused()


def _as_codes(hashes: KeyHashes, missing: np.ndarray) -> pa.Array:
    """Equal numbers for equal texts, null for none. Shape `(rows,)`, int32."""
    order = np.lexsort((hashes.low, hashes.high))
    codes = np.empty(len(order), np.int32)
    codes[order] = np.cumsum(starts_of_equal(hashes[order]))
    return pa.array(codes, mask=missing)


def _record_ids(table: Rows, rows: Sequence[int]) -> dict[int, str | None]:
    """Row number -> record_id, in one pass that ends with the last of them."""
    found: dict[int, str | None] = {}
    start = 0
    wanted = np.array(rows, dtype=np.int64)
    for batch in table.batches(["record_id"]) if rows else ():
        inside = wanted[(wanted >= start) & (wanted < start + batch.num_rows)]
        found.update({int(row): batch["record_id"][int(row - start)].as_py() for row in inside})
        start += batch.num_rows
        if start > wanted[-1]:
            break
    return found


def _result(expectation: Expectation, counted: Counted, ids: dict[int, str | None]) -> dict[str, Any]:
    """Only what may be shown: counts and record ids."""
    percent = 100.0 * (counted.unexpected or 0) / counted.rows_judged if counted.rows_judged else None
    return {
        "expectation": expectation.expectation,
        "kwargs": expectation.model_dump(mode="json")["kwargs"],
        "passed": counted.passed,
        "unexpected_count": counted.unexpected,
        "unexpected_percent": percent,
        "observed": counted.observed,
        "record_ids": [found for row in counted.unexpected_rows if isinstance(found := ids.get(row), str)],
    }


def _raised(info: dict[str, Any]) -> bool:
    """Great Expectations gives one flag, or one per metric."""
    return bool(info.get("raised_exception")) or any(isinstance(v, dict) and _raised(v) for v in info.values())
