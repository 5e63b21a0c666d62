"""Parquet files."""

import mmap
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.arrow_strings import BATCH_BYTES, PAGE_FIELDS, checked_parts
from ft_platform.sources.budget import over
from ft_platform.sources.formats import BATCH_ROWS, OpenFile
from ft_platform.sources.parquet_pages import BrokenPage, Chunk, column_chunks, read_chunk

ENDINGS = (".parquet", ".pq")
IS_TEXT = False
LEAST_PAGE_BYTES = 64 << 20
"""No page has to be larger than this or its longest field."""


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every row. Page checksums are verified where the writer stored them.

    Raises:
        SourceError: not a readable Parquet file, missing columns, bytes that are no UTF-8 text, or beyond the limits.
    """
    try:
        yield from _batches(file)
    except BrokenPage as problem:
        raise _unreadable(file, str(problem)) from None
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, type(error).__name__) from None


def _batches(file: OpenFile) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file.path, memory_map=True) as parquet, open(file.path, "rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        columns = file.require(parquet.schema_arrow.names)
        metadata = parquet.metadata
        with memoryview(mapped) as data:
            groups = [[(c, read_chunk(data, c)) for c in column_chunks(metadata, group, set(columns))] for group in range(metadata.num_row_groups)]
    _check(file, [chunk for group in groups for _, chunk in group])
    file.without_checksum = any(chunk.checksums < chunk.pages for group in groups for _, chunk in group)
    row = 1
    for number, group in enumerate(groups):
        rows, dictionaries = _how_to_read(metadata.row_group(number).num_rows, group)
        with pq.ParquetFile(file.path, memory_map=True, page_checksum_verification=True, read_dictionary=dictionaries) as parquet:
            for batch in parquet.iter_batches(rows, row_groups=[number], columns=columns):
                yield from checked_parts(file, batch, row)
                row += batch.num_rows


def _check(file: OpenFile, chunks: list[Chunk]) -> None:
    """Counts what the pages unpack to before any of them is."""
    largest = max(LEAST_PAGE_BYTES, PAGE_FIELDS * file.budget.limits.field_characters)
    packed = unpacked = 0
    for chunk in chunks:
        if chunk.largest_page > largest:
            raise over(file.name, f"has a page that unpacks to {chunk.largest_page:,} bytes", "field_characters")
        packed += chunk.packed_bytes
        unpacked += chunk.unpacked_bytes
        file.budget.add_unpacked(file.name, chunk.unpacked_bytes, max(packed, 1), unpacked)


def _how_to_read(rows: int, group: list[tuple[Any, Chunk]]) -> tuple[int, list[str]]:
    """How many rows of a row group to read at once, and which columns without repeating the texts of their dictionary."""
    most, dictionaries = BATCH_ROWS, []
    for column, chunk in group:
        per_row = max(1.0, chunk.values / max(rows, 1))
        longest = max(chunk.densest, chunk.longest_by_delta)
        most = min(most, int(BATCH_BYTES / max(1.0, longest * per_row)))
        at_worst = min(chunk.values, BATCH_ROWS if per_row == 1 else chunk.values) * chunk.longest_in_dictionary
        if at_worst > BATCH_BYTES:
            dictionaries.append(column.path_in_schema)
    return max(1, most), dictionaries


def _unreadable(file: OpenFile, why: str) -> SourceError:
    return SourceError(f"{file.name} cannot be read as Parquet ({why}): cut, damaged or another format", "Export the file again")
