"""Parquet files."""

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.arrow_strings import BATCH_BYTES, PAGE_FIELDS, checked_parts
from ft_platform.sources.budget import over
from ft_platform.sources.file_format import BATCH_ROWS, OpenFile
from ft_platform.sources.parquet_pages import BrokenPage, Chunk, ColumnChunk, RowGroup, read_chunk, read_footer

ENDINGS = (".parquet", ".pq")
IS_TEXT = False
LEAST_PAGE_BYTES = 64 << 20
"""No page has to be larger than this or its longest field."""
BUFFER_BYTES = 1 << 20
"""Read at once. The file is not mapped into memory: one that is cut while it is read would end the process (SIGBUS)."""


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every row. Page checksums are verified where the writer stored them.

    Raises:
        SourceError: not a readable Parquet file, missing columns, bytes that are no UTF-8 text, or beyond the limits.
    """
    with open(file.path, "rb") as raw:
        yield from _batches(file, raw)


def _batches(file: OpenFile, raw: BinaryIO) -> Iterator[pa.RecordBatch]:
    try:
        groups = read_footer(raw)
    except BrokenPage as problem:
        raise _unreadable(file, "", str(problem)) from None
    columns = file.require(_columns(file))
    chunks = _looked_at(file, raw, groups, set(columns))
    file.without_checksum = any(chunk.checksums < chunk.pages for group in chunks for _, chunk in group)
    row = 1
    for number, (group, parts) in enumerate(zip(groups, chunks, strict=True)):
        after = row + group.rows
        for batch in _group_batches(file, raw, columns, number, group, parts):
            yield from checked_parts(file, batch, row)
            row += batch.num_rows
        if row != after:
            raise _unreadable(file, f"row group {number + 1}: ", "it has a different number of rows than it says")


def _columns(file: OpenFile) -> list[str]:
    """Names of the columns.

    Raises:
        SourceError: pyarrow cannot open the file.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file.path) as parquet:
            return parquet.schema_arrow.names
    except (pa.ArrowException, OSError, ValueError):
        raise _unreadable(file, "", "its footer or its schema is damaged") from None


def _group_batches(
    file: OpenFile,
    raw: BinaryIO,
    columns: list[str],
    number: int,
    group: RowGroup,
    parts: list[tuple[ColumnChunk, Chunk]],
) -> Iterator[pa.RecordBatch]:
    """The batches of one row group.

    Raises:
        SourceError: it is damaged; the message says behind which row.
    """
    import pyarrow.parquet as pq

    rows, dictionaries = _how_to_read(raw, group.rows, parts)
    read = 0
    try:
        with pq.ParquetFile(
            file.path,
            buffer_size=BUFFER_BYTES,
            pre_buffer=False,
            page_checksum_verification=True,
            read_dictionary=dictionaries,
        ) as parquet:
            for batch in parquet.iter_batches(rows, row_groups=[number], columns=columns):
                for column in batch.columns:
                    if pa.types.is_dictionary(column.type):
                        column.validate(full=True)  # numbers of a damaged page lead outside of the dictionary
                yield batch
                read += batch.num_rows
    except (pa.ArrowException, OSError, ValueError, BufferError):
        raise _unreadable(
            file,
            f"row group {number + 1}, behind its row {read:,}: ",
            "a page is cut off, damaged or does not match its header",
        ) from None


def _looked_at(
    file: OpenFile, raw: BinaryIO, groups: list[RowGroup], roots: set[str]
) -> list[list[tuple[ColumnChunk, Chunk]]]:
    """The column chunks of each row group that are read, once what they unpack to is known to be allowed.

    Raises:
        SourceError: they are damaged, or beyond the limits.
    """
    largest = max(LEAST_PAGE_BYTES, PAGE_FIELDS * file.budget.limits.field_characters)
    packed = unpacked = 0
    found = []
    for number, group in enumerate(groups, 1):
        parts = []
        for column in (one for one in group.columns if one.path[0] in roots):
            try:
                chunk = read_chunk(raw, column)
                if column.is_flat and chunk.values != group.rows:
                    raise BrokenPage("the pages of a column have a different number of values than the group has rows")
            except BrokenPage as problem:
                raise _unreadable(file, f"row group {number}: ", str(problem)) from None
            if chunk.largest_page > largest:
                raise over(file.name, f"has a page that unpacks to {chunk.largest_page:,} bytes", "field_characters")
            packed, unpacked = packed + chunk.packed_bytes, unpacked + chunk.unpacked_bytes
            file.budget.add_unpacked(file.name, chunk.unpacked_bytes, max(packed, 1), unpacked)
            parts.append((column, chunk))
        found.append(parts)
    return found


def _how_to_read(raw: BinaryIO, rows: int, group: list[tuple[ColumnChunk, Chunk]]) -> tuple[int, list[str]]:
    """How many rows of a row group to read at once, and which columns without repeating the texts of their
    dictionary."""
    most, dictionaries = BATCH_ROWS, []
    for column, chunk in group:
        per_row = max(1.0, chunk.values / max(rows, 1))
        longest = max(chunk.densest, chunk.longest_by_delta)
        most = min(most, int(BATCH_BYTES / max(1.0, longest * per_row)))
        at_worst = min(chunk.values, BATCH_ROWS if per_row == 1 else chunk.values) * chunk.longest_in_dictionary(
            raw, column.codec
        )
        if at_worst > BATCH_BYTES:
            dictionaries.append(".".join(column.path))
    return max(1, most), dictionaries


def _unreadable(file: OpenFile, where: str, why: str) -> SourceError:
    return SourceError(
        f"{file.name} cannot be read as Parquet: {where}{why}",
        "Export the file again, or set source.format if it is of another one",
    )
