"""What the pages of a Parquet file say about themselves, read before anything is unpacked: their footer may lie.

A page is a header (Thrift, compact protocol) and its bytes. Source: Apache Parquet format, README "Data Pages" and
`parquet.thrift` (PageHeader, DataPageHeader, DictionaryPageHeader).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 0, 2, 3
PLAIN = 0
DICTIONARY = frozenset({2, 8})
DELTA_BYTE_ARRAY = 7
"""Of `enum Encoding`. In the last two a few bytes can stand for a long text again and again: a file of 463 bytes gave 300 MB."""
CODECS = {"SNAPPY": "snappy", "GZIP": "gzip", "ZSTD": "zstd", "BROTLI": "brotli", "LZ4_RAW": "lz4_raw"}


class BrokenPage(ValueError):
    """A page header that cannot be."""


@dataclass
class Chunk:
    """One column of one row group.

    Attributes:
        packed_bytes, unpacked_bytes: over all pages, as their headers say.
        largest_page: unpacked bytes of the largest page.
        values: values in data pages.
        longest_in_dictionary: bytes of the longest text that dictionary-encoded pages can repeat; 0 where there are none.
        longest_by_delta: bytes that a value has at most in pages in which it repeats the one before; 0 where there are none.
        densest: most bytes per value of a page, unpacked.
        checksums: pages with a checksum.
        pages: how many there are.
    """

    packed_bytes: int = 0
    unpacked_bytes: int = 0
    largest_page: int = 0
    values: int = 0
    longest_in_dictionary: int = 0
    longest_by_delta: int = 0
    densest: float = 0.0
    checksums: int = 0
    pages: int = 0
    _dictionary: int = field(default=0, repr=False)


def read_chunk(data: memoryview, column: Any) -> Chunk:
    """Sums over the page headers of a column chunk.

    Args:
        data: the whole file.
        column: `pyarrow.parquet.ColumnChunkMetaData`.

    Raises:
        BrokenPage: the headers do not fit the chunk.
    """
    starts = [o for o in (column.dictionary_page_offset, column.data_page_offset) if o is not None and o > 0]
    chunk = Chunk()
    place = min(starts)
    end = place + column.total_compressed_size
    if column.total_compressed_size < 0 or end > len(data):
        raise BrokenPage("a column reaches beyond the file")
    while place < end:
        header, place = _header(data, place, end)
        size = header.get(3, -1)
        if size < 0 or header.get(2, -1) < 0 or place + size > end:
            raise BrokenPage("a page reaches beyond its column")
        _add(chunk, header, data[place : place + size], column.compression)
        place += size
    return chunk


def _add(chunk: Chunk, header: dict[int, Any], packed: memoryview, compression: str) -> None:
    unpacked = header[2]
    chunk.pages += 1
    chunk.checksums += 4 in header
    chunk.packed_bytes += len(packed)
    chunk.unpacked_bytes += unpacked
    chunk.largest_page = max(chunk.largest_page, unpacked)
    if header.get(1) == DICTIONARY_PAGE:
        chunk._dictionary = _longest(packed, unpacked, compression)
        return
    about = header.get(5) or header.get(8) or {}
    values = about.get(1, 0)
    encoding = about.get(2 if 5 in header else 4, PLAIN)
    chunk.values += values
    chunk.densest = max(chunk.densest, unpacked / max(values, 1))
    if encoding in DICTIONARY:
        chunk.longest_in_dictionary = max(chunk.longest_in_dictionary, chunk._dictionary)
    elif encoding == DELTA_BYTE_ARRAY:
        chunk.longest_by_delta = max(chunk.longest_by_delta, unpacked)


def _longest(packed: memoryview, unpacked: int, compression: str) -> int:
    """Bytes of the longest text in a dictionary page; all of the page where it cannot be looked into."""
    if compression != "UNCOMPRESSED" and compression not in CODECS:
        return unpacked
    try:
        data = packed if compression == "UNCOMPRESSED" else pa.Codec(CODECS[compression]).decompress(packed, unpacked)
    except (pa.ArrowException, OSError):
        return unpacked  # damaged: reading it will say so
    plain = memoryview(data)
    place = longest = 0
    while place + 4 <= len(plain):
        length = int.from_bytes(plain[place : place + 4], "little")
        longest = max(longest, length)
        place += 4 + length
    return min(longest, unpacked)


def _header(data: memoryview, place: int, end: int) -> tuple[dict[int, Any], int]:
    """Fields of a page header by their number, and where the page's bytes begin."""
    try:
        return _struct(data[:end], place)
    except (IndexError, RecursionError):
        raise BrokenPage("a page header has no end") from None


def _struct(data: memoryview, place: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    if depth > 8:
        raise BrokenPage("a page header is nested too deeply")
    fields: dict[int, Any] = {}
    number = 0
    while (head := data[place]) != 0:
        place += 1
        if head >> 4:
            number += head >> 4
        else:
            zigzag, place = _varint(data, place)
            number = (zigzag >> 1) ^ -(zigzag & 1)
        fields[number], place = _value(data, place, head & 15, depth)
    return fields, place + 1


def _value(data: memoryview, place: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (1, 2):
        return kind == 1, place
    if kind == 3:
        return data[place], place + 1
    if kind in (4, 5, 6):
        zigzag, place = _varint(data, place)
        return (zigzag >> 1) ^ -(zigzag & 1), place
    if kind == 7:
        return None, place + 8
    if kind == 8:
        length, place = _varint(data, place)
        return None, place + length
    if kind == 12:
        return _struct(data, place, depth + 1)
    raise BrokenPage("a page header has a field of a kind that it cannot have")


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        octet = data[place]
        place += 1
        value |= (octet & 127) << shift
        if octet < 128:
            return value, place
        shift += 7
        if shift > 63:
            raise BrokenPage("a page header has a number that is too long")


def column_chunks(metadata: Any, group: int, roots: set[str]) -> Iterator[Any]:
    """Column chunks of a row group that belong to these columns of the table."""
    for index in range(metadata.num_columns):
        column = metadata.row_group(group).column(index)
        if column.path_in_schema.split(".")[0] in roots:
            yield column
