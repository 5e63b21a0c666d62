"""A validation run: Great Expectations on the flat columns of a table.

Covered: results name failing records by record_id only; values, which the results of Great Expectations hold, are left behind.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ft_platform.errors import ConfigError
from ft_platform.progress import report
from ft_platform.use_case import Expectation, NamedUseCase
from ft_platform.validation.columns import TableName, flat_columns
from ft_platform.validation.suite import suite

SHOWN_IDS = 20
RESULT_FORMAT = {"result_format": "SUMMARY", "unexpected_index_column_names": ["record_id"], "partial_unexpected_count": SHOWN_IDS}


@dataclass(frozen=True)
class ValidationResult:
    """What a validation run found.

    Attributes:
        passed: whether every expectation holds.
        rows: rows of the table.
        expectations: one dictionary each: `expectation` and `kwargs` as in the suite, `passed`, `unexpected_count` and
            `unexpected_percent` in [0, 100] (None where an expectation is not about single values), and `record_ids`, up to
            20 of the records that do not fit.
    """

    passed: bool
    rows: int
    expectations: list[dict[str, Any]]


def validate(use_case: NamedUseCase, table_name: TableName, table: pa.Table) -> ValidationResult:
    """Runs the defaults of the stage and the expectations of the YAML.

    Raises:
        ConfigError: an expectation of the YAML is unknown, has wrong arguments or cannot be computed on its column.
    """
    expectations = suite(use_case, table_name)
    flat = flat_columns(use_case, table_name, table)
    results = []
    with _batch(flat) as batch:
        for done, (expectation, implementation) in enumerate(expectations):
            report(table_name, done, len(expectations), "expectations")
            results.append(_result(use_case, expectation, batch.validate(implementation, result_format=RESULT_FORMAT).to_json_dict(), flat))
    report(table_name, len(expectations), len(expectations), "expectations")
    return ValidationResult(all(result["passed"] for result in results), table.num_rows, results)


@contextmanager
def _batch(flat: pa.Table) -> Iterator[Any]:
    """The columns as a batch of Great Expectations in memory: nothing written, nothing printed, nothing sent."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # its messages quote values
    try:
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("records").add_dataframe_asset("flat")
        yield asset.add_batch_definition_whole_dataframe("all").get_batch(batch_parameters={"dataframe": flat.to_pandas()})
    finally:
        logger.setLevel(level)


def _result(use_case: NamedUseCase, expectation: Expectation, raw: dict[str, Any], flat: pa.Table) -> dict[str, Any]:
    """Only what may be shown of a result of Great Expectations, whose messages and lists hold values."""
    name, kwargs = expectation.expectation, expectation.model_dump(mode="json")["kwargs"]
    if _raised(raw["exception_info"]):
        types = {field.name: str(field.type) for field in flat.schema if field.name in str(kwargs)}
        raise ConfigError(
            [f"{use_case.name}: {name} with {kwargs} cannot be computed; column types: {types}"], "Check its arguments in `validation.expectations`"
        )
    found = raw["result"]
    ids = [row.get("record_id") for row in found.get("partial_unexpected_index_list") or []]
    return {
        "expectation": name,
        "kwargs": kwargs,
        "passed": bool(raw["success"]),
        "unexpected_count": found.get("unexpected_count"),
        "unexpected_percent": found.get("unexpected_percent"),
        "record_ids": [i for i in ids if isinstance(i, str)][:SHOWN_IDS],
    }


def _raised(info: dict[str, Any]) -> bool:
    """Great Expectations gives one flag, or one per metric."""
    return bool(info.get("raised_exception")) or any(isinstance(v, dict) and _raised(v) for v in info.values())
