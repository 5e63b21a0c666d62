"""Columns of any arrow type as the platform keeps them: texts stay, the rest becomes text, nested values JSON text."""

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import SourceError
from ft_platform.sources.budget import over
from ft_platform.sources.class_labels import label_names, with_names
from ft_platform.sources.file_format import BATCH_ROWS, Opened, row_list
from ft_platform.sources.strict_json import depth_of

BATCH_BYTES = 128 << 20
"""What a batch may take in memory: fewer rows are read at once where values are long."""
PAGE_FIELDS = 4
"""Bytes a character has at most in UTF-8."""


def checked_parts(file: Opened, batch: pa.RecordBatch, first_row: int) -> Iterator[pa.RecordBatch]:
    """A batch as strings, in pieces where its dictionaries stand for more than `BATCH_BYTES`.

    Args:
        first_row: data row that the batch begins with, from 1.

    Raises:
        SourceError: see `strings`; or a row is too long.
    """
    labels = label_names(batch.schema)
    columns = [with_names(batch.column(name), labels.get(name)) for name in batch.schema.names]
    sizes = np.zeros(batch.num_rows, np.int64)
    for name, column in zip(batch.schema.names, columns, strict=True):
        try:
            sizes += row_bytes(column)
        except TypeError:
            raise SourceError(
                f"{file.name}: column {name!r} is of type {column.type}, which is not read",
                "Export the column as text or as a list",
            ) from None
    piece = np.cumsum(sizes) // BATCH_BYTES + np.arange(len(sizes)) // BATCH_ROWS
    starts = np.flatnonzero(np.append(True, piece[1:] != piece[:-1]))[: len(sizes)].tolist()
    for start, end in zip(starts, [*starts[1:], len(sizes)], strict=True):
        if len(long := np.flatnonzero(sizes[start:end] > PAGE_FIELDS * file.budget.item_characters)):
            rows = row_list((long + first_row + start).tolist())
            raise over(
                file.name, f"{rows} unpack to more than {file.budget.item_characters:,} characters", "field_characters"
            )
        arrays = [
            strings(file, column.slice(start, end - start), name, first_row + start)
            for name, column in zip(batch.schema.names, columns, strict=True)
        ]
        yield file.checked(batch.schema.names, arrays, first_row + start)


def strings(file: Opened, column: pa.Array, name: str, first_row: int) -> pa.Array:
    """A column as strings. Shape `(rows,)`.

    Raises:
        SourceError: bytes that are no UTF-8 text, NaN or Infinity (unless they are set to be missing), or nested too
            deeply.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    try:
        if pa.types.is_nested(kind):
            return pa.array([None if v is None else _json_text(file, v) for v in column.to_pylist()], pa.string())
        plain = pc.cast(column, kind) if kind != column.type else column
        if pa.types.is_floating(kind):
            plain = _finite(file, plain, name, first_row)
        made = pc.cast(plain, pa.string())
        made.validate(full=True)  # arrow reads bytes that are no UTF-8 into a string column without a word
        return made
    except (pa.ArrowException, UnicodeError):
        raise SourceError(
            f"{file.name}: column {name!r} contains bytes that are not UTF-8 in data rows {first_row} to"
            f" {first_row + len(column) - 1}",
            "Export the column as text",
        ) from None


def text_of(file: Opened, value: Any) -> str | None:
    """A Python value as text. Dates are in ISO 8601, bytes must be UTF-8.

    Raises:
        SourceError: NaN or Infinity (unless they are set to be missing), or nested too deeply.
        UnicodeDecodeError: bytes that are no UTF-8 text.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode()
    if isinstance(value, (float, Decimal)) and not np.isfinite(float(value)):
        return _not_finite(file)
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, (dict, list, tuple, bool)):
        return _json_text(file, value)
    return str(value)


def row_bytes(column: pa.Array) -> np.ndarray:
    """Bytes of the texts of each row that the file holds once and a row may repeat (dictionaries, views); else 0. Shape
    `(rows,)`.

    Raises:
        TypeError: texts that are repeated in a way that is not counted here.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        if not (pa.types.is_string(kind.value_type) or pa.types.is_binary(kind.value_type)) or not len(
            column.dictionary
        ):
            _require_own_texts(kind.value_type)
            return np.zeros(len(column), np.int64)
        lengths = pc.binary_length(column.dictionary).cast(pa.int64())
        return pc.fill_null(lengths.take(column.indices), 0).to_numpy(zero_copy_only=False)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        views = np.frombuffer(column.buffers()[1], np.int32, 4 * (column.offset + len(column))).reshape(
            -1, 4
        )  # of 16 bytes; the first four are the length
        return np.where(
            column.is_valid().to_numpy(zero_copy_only=False), views[column.offset : column.offset + len(column), 0], 0
        ).astype(np.int64)
    if pa.types.is_struct(kind):
        return sum((row_bytes(column.field(i)) for i in range(kind.num_fields)), np.zeros(len(column), np.int64))
    if pa.types.is_list(kind):
        inner = np.concatenate([[0], np.cumsum(row_bytes(column.values))])
        offsets = column.offsets.to_numpy(zero_copy_only=False)
        return inner[offsets[1:]] - inner[offsets[:-1]]
    _require_own_texts(kind)
    return np.zeros(len(column), np.int64)


def _require_own_texts(kind: pa.DataType) -> None:
    """Raises:
    TypeError: values of this type may repeat a text, or each other.
    """
    repeats = (
        pa.types.is_dictionary,
        pa.types.is_string_view,
        pa.types.is_binary_view,
        pa.types.is_run_end_encoded,
        pa.types.is_union,
    )
    if any(is_kind(kind) for is_kind in (*repeats, pa.types.is_list_view, pa.types.is_large_list_view)):
        raise TypeError
    for i in range(kind.num_fields):
        _require_own_texts(kind.field(i).type)


def _finite(file: Opened, column: pa.Array, name: str, first_row: int) -> pa.Array:
    finite = pc.is_finite(column)
    wrong = pc.fill_null(pc.invert(finite), False)
    if not pc.any(wrong).as_py():
        return column
    if file.settings.not_a_number == "refuse":
        rows = (np.flatnonzero(wrong.to_numpy(zero_copy_only=False)) + first_row).tolist()
        raise SourceError(
            f"{file.name}: {row_list(rows)} have NaN or Infinity in column {name!r}",
            "Export an empty value instead, or set source.not_a_number: missing",
        )
    return pc.if_else(finite, column, pa.scalar(None, column.type))


def _json_text(file: Opened, value: Any) -> str:
    limit = file.budget.limits.nesting_depth
    if depth_of(value) > limit:
        raise SourceError(
            f"{file.name}: a value is nested more than {limit} deep",
            "If that is right, raise source.limits.nesting_depth",
        )
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError as error:
        if isinstance(error, UnicodeError):
            raise
        _not_finite(file)
        return json.dumps(_without_nan(value), ensure_ascii=False, default=_plain)


def _not_finite(file: Opened) -> None:
    if file.settings.not_a_number == "refuse":
        raise SourceError(
            f"{file.name}: a value is NaN or Infinity",
            "Export an empty value instead, or set source.not_a_number: missing",
        )


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode()
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    return (
        str(value) if isinstance(value, (Decimal, timedelta)) or hasattr(value, "hex") else repr(type(value).__name__)
    )
