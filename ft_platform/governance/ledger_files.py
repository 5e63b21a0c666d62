"""Reads the rows of a consent ledger as texts: CSV, JSON Lines, Parquet and Delta tables."""

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from ft_platform.errors import SourceError, TransientError
from ft_platform.records.rows import BATCH_ROWS

SETTING = "governance.consent_ledger"
DELIMITERS = (",", ";", "\t", "|")
READABLE_TYPES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_integer,
    pa.types.is_boolean,
    pa.types.is_null,
    pa.types.is_date,
    pa.types.is_timestamp,
)
"""Not numbers with a fraction: 7.0 and 7 would be two persons."""


def file_batches(path: Path, uri: str, columns: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    """The rows of a file, by its ending.

    Args:
        path: private copy of the file.
        uri: where it came from, for messages.
        columns: field -> column of the ledger; the batches have the fields, as strings.

    Raises:
        SourceError: it is broken, not UTF-8, of no known format, or lacks a column.
    """
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise SourceError(
            f"{SETTING} {uri} has none of the extensions {', '.join(readers)}, and is not a Delta table",
            "Export it in one of these formats",
        )
    if path.stat().st_size == 0:
        raise SourceError(f"{SETTING} {uri} is empty (0 bytes)", "Export it again")
    with _readable(uri):
        for batch in reader(path, uri, columns):
            yield _as_fields(uri, batch, columns)


def delta_batches(
    uri: str, version: int, storage_options: dict[str, str], columns: Mapping[str, str]
) -> Iterator[pa.RecordBatch]:
    """The rows of one version of a Delta table, in the fields of `columns`.

    Raises:
        SourceError: it is broken or lacks a column.
    """
    with _readable(uri):
        table = DeltaTable(uri, version=version, storage_options=storage_options or None)
        _require_columns(uri, columns, [field.name for field in table.schema().fields])
        for batch in pa.RecordBatchReader.from_stream(table.scan(columns=sorted(set(columns.values())))):
            yield _as_fields(uri, batch, columns)


def _as_fields(uri: str, batch: pa.RecordBatch, columns: Mapping[str, str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([_texts(uri, batch, column) for column in columns.values()], names=[*columns])


@contextmanager
def _readable(uri: str) -> Iterator[None]:
    """Errors of the readers quote cells, so only their kind is passed on."""
    try:
        yield
    except (pa.ArrowException, ValueError, csv.Error, RecursionError) as error:
        raise SourceError(
            f"{SETTING} {uri} cannot be read: it is broken, or not UTF-8 ({type(error).__name__})", "Export it again"
        ) from None
    except DeltaError as error:
        raise SourceError(
            f"{SETTING} {uri} cannot be read as a Delta table ({type(error).__name__})", "Restore the table"
        ) from None
    except OSError as error:
        raise TransientError(
            f"{SETTING} {uri} cannot be read ({type(error).__name__})", "Check the storage, then run again"
        ) from None


def _csv(path: Path, uri: str, columns: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        first = file.readline()
    headers = {delimiter: next(csv.reader([first], delimiter=delimiter), []) for delimiter in DELIMITERS}
    delimiter = next((d for d, header in headers.items() if columns["subject"] in header), ",")
    _require_columns(uri, columns, headers[delimiter])
    wanted = sorted(set(columns.values()))
    yield from pyarrow.csv.open_csv(
        path,
        # Quoted line breaks are data; the price is one thread.
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=wanted,
            column_types=dict.fromkeys(wanted, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
            check_utf8=True,
        ),
    )


def _json_lines(path: Path, uri: str, columns: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    wanted = sorted(set(columns.values()))
    rows: list[dict[str, str | None]] = []
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            value = json.loads(line, object_pairs_hook=_without_repeats)
            if not isinstance(value, dict):
                raise SourceError(
                    f"{SETTING} {uri}, line {number} is not an object with distinct keys", "Repair the line"
                )
            rows.append({name: _text_of(value.get(name), uri, number) for name in wanted})
            if len(rows) == BATCH_ROWS:
                yield _batch(rows, wanted)
                rows = []
    yield _batch(rows, wanted)


def _batch(rows: list[dict[str, str | None]], names: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([row[name] for row in rows], pa.string()) for name in names], names=names
    )


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any] | None:
    value = dict(pairs)
    return value if len(value) == len(pairs) else None


def _text_of(value: Any, uri: str, line: int) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    raise SourceError(
        f"{SETTING} {uri}, line {line}: expected text, whole numbers, true, false or null, got {type(value).__name__}",
        "Repair the line",
    )


def _parquet(path: Path, uri: str, columns: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, pre_buffer=False) as file:
        _require_columns(uri, columns, file.schema_arrow.names)
        yield from file.iter_batches(batch_size=BATCH_ROWS, columns=sorted(set(columns.values())))


def _require_columns(uri: str, columns: Mapping[str, str], there: list[str]) -> None:
    """The columns that are there are not named: the first line of a file without a header holds persons."""
    for name, column in columns.items():
        if there.count(column) != 1:
            how = "no column" if column not in there else f"{there.count(column)} columns"
            raise SourceError(
                f"{SETTING} {uri} has {how} {column!r} ({name})",
                "Name the ledger's columns in governance.ledger_columns",
            )


def _texts(uri: str, batch: pa.RecordBatch, column: str) -> pa.Array:
    """Numbers, days and truth values as texts."""
    values = batch.column(column)
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not any(is_kind(kind) for is_kind in READABLE_TYPES):
        raise SourceError(
            f"{SETTING} {uri}: column {column!r} has type {kind}, expected text, whole numbers, days or truth values",
            "Convert the column",
        )
    return values.cast(pa.string())
