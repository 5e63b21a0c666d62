"""What the footer and the pages of a Parquet file say about themselves, read before anything is unpacked.

The footer may lie about the pages, and pyarrow 25.0.1 ends the whole process (`std::terminate`) where it is asked for a
column chunk whose size statistics do not fit: of 300 files with one changed byte, 2. That is why both are read here.

A page is a header (Thrift, compact protocol) and its bytes. Source: Apache Parquet format, README "File format" and
"Data Pages", and `parquet.thrift` (FileMetaData, RowGroup, ColumnChunk, ColumnMetaData, PageHeader, DataPageHeader,
DictionaryPageHeader)."""

import os
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pyarrow as pa

from ft_platform.sources.thrift import BrokenStruct, read_struct

MAGIC = b"PAR1"
MOST_FOOTER_BYTES = 256 << 20
WINDOW_BYTES = 1 << 16
MOST_HEADER_BYTES = 16 << 20
DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 0, 2, 3
PLAIN = 0
DICTIONARY = frozenset({2, 8})
DELTA_BYTE_ARRAY = 7
"""Of `enum Encoding`. In the last two a few bytes can stand for a long text again and again: a file of 463 bytes gave
300 MB."""
CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
"""Of `enum CompressionCodec`, those whose pages can be looked into here."""
UNCOMPRESSED = 0
REPEATED = 2
"""Of `enum FieldRepetitionType`."""


class BrokenPage(ValueError):
    """A footer or page header that cannot be."""


@dataclass(frozen=True)
class ColumnChunk:
    """One column of one row group, as the footer has it.

    Attributes:
        path: of the column in the schema; the first part is the column of the table.
        start, end: where its pages are in the file.
        codec: number of its compression.
        is_flat: it has one value in each row.
    """

    path: tuple[str, ...]
    start: int
    end: int
    codec: int
    is_flat: bool


@dataclass(frozen=True)
class RowGroup:
    rows: int
    columns: list[ColumnChunk]


@dataclass
class Chunk:
    """What the pages of a column chunk say.

    Attributes:
        packed_bytes, unpacked_bytes: over all pages, as their headers say.
        largest_page: unpacked bytes of the largest page.
        values: values in data pages.
        longest_by_delta: bytes that a value has at most in pages in which it repeats the one before; 0 where there are
            none.
        densest: most bytes per value of a page, unpacked.
        checksums: pages with a checksum.
        pages: how many there are.
        repeats: a page repeats texts of the dictionary.
    """

    packed_bytes: int = 0
    unpacked_bytes: int = 0
    largest_page: int = 0
    values: int = 0
    longest_by_delta: int = 0
    densest: float = 0.0
    checksums: int = 0
    pages: int = 0
    repeats: bool = False
    _dictionary: tuple[int, int, int] | None = field(default=None, repr=False)

    def longest_in_dictionary(self, file: BinaryIO, codec: int) -> int:
        """Bytes of the longest text that pages can repeat; 0 where they repeat none. Call it once the sizes of the
        pages are known to be allowed."""
        if not self.repeats or self._dictionary is None:
            return 0
        place, size, unpacked = self._dictionary
        file.seek(place)
        return _longest(file.read(size), unpacked, codec)


def read_footer(file: BinaryIO) -> list[RowGroup]:
    """The row groups of a file.

    Raises:
        BrokenPage: it has no footer, or one that cannot be.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if len(tail) < 8 or tail[4:] != MAGIC:
        raise BrokenPage("its last four bytes are not those of a Parquet file")
    if length > min(size - 12, MOST_FOOTER_BYTES):
        raise BrokenPage("its footer is longer than the file")
    file.seek(size - 8 - length)
    try:
        footer, _ = read_struct(memoryview(file.read(length)))
        repeated = {one[4].decode() for one in footer[2] if one.get(3) == REPEATED}
        groups = [_row_group(one, size, repeated) for one in footer[4]]
        if footer[3] != sum(group.rows for group in groups):
            raise BrokenPage("its footer has a different number of rows than its row groups")
        return groups
    except (
        EOFError,
        BrokenStruct,
        LookupError,
        TypeError,
        AttributeError,
        UnicodeError,
    ):  # fields that are missing or of another kind
        raise BrokenPage("its footer is damaged") from None


def _row_group(fields: dict[int, Any], size: int, repeated: set[str]) -> RowGroup:
    if not isinstance(fields[3], int) or fields[3] < 0:
        raise BrokenPage("its footer names a negative number of rows")
    return RowGroup(fields[3], [_column_chunk(one, size, repeated) for one in fields[1]])


def _column_chunk(fields: dict[int, Any], size: int, repeated: set[str]) -> ColumnChunk:
    about = fields[3]
    if fields.get(1):
        raise BrokenPage("a column of it is in another file")
    starts = [start for start in (about.get(11), about[9]) if start is not None and start > 0]
    start, length = min(starts, default=-1), about[7]
    if start < 0 or length < 0 or start + length > size:
        raise BrokenPage("a column reaches beyond the file")
    path = tuple(part.decode() for part in about[3])
    if not path or not isinstance(about[4], int):
        raise KeyError
    return ColumnChunk(path, start, start + length, about[4], is_flat=len(path) == 1 and path[0] not in repeated)


def read_chunk(file: BinaryIO, column: ColumnChunk) -> Chunk:
    """Sums over the page headers of a column chunk.

    Raises:
        BrokenPage: the headers do not fit the chunk.
    """
    chunk, window = Chunk(), _Window(file)
    place = column.start
    while place < column.end:
        header, place = window.header(place, column.end)
        size, unpacked = header.get(3, -1), header.get(2, -1)
        if (
            not isinstance(size, int)
            or not isinstance(unpacked, int)
            or size < 0
            or unpacked < 0
            or place + size > column.end
        ):
            raise BrokenPage("a page reaches beyond its column")
        _add(chunk, header, place, size, unpacked)
        place += size
    return chunk


class _Window:
    """The part of a file that headers are read from: pages may be of a few bytes or of many."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start, self._data = 0, b""

    def header(self, place: int, end: int) -> tuple[dict[int, Any], int]:
        """Fields of the page header at a place, and where the page's bytes begin."""
        length = WINDOW_BYTES
        if not self._start <= place < self._start + len(self._data):
            self._read(place, min(length, end - place))
        while True:
            try:
                fields, stop = read_struct(memoryview(self._data)[: end - self._start], place - self._start)
                return fields, self._start + stop
            except EOFError:
                if self._start == place:
                    if len(self._data) >= end - place or length > MOST_HEADER_BYTES:
                        raise BrokenPage("a page header has no end") from None
                    length *= 8
                self._read(place, min(length, end - place))
            except BrokenStruct as problem:
                raise BrokenPage(f"a page header has {problem}") from None

    def _read(self, place: int, length: int) -> None:
        self._file.seek(place)
        self._start, self._data = place, self._file.read(length)
        if len(self._data) < length:
            raise BrokenPage("it became shorter while it was read")


def _add(chunk: Chunk, header: dict[int, Any], place: int, size: int, unpacked: int) -> None:
    chunk.pages += 1
    chunk.checksums += 4 in header
    chunk.packed_bytes += size
    chunk.unpacked_bytes += unpacked
    chunk.largest_page = max(chunk.largest_page, unpacked)
    if header.get(1) == DICTIONARY_PAGE:
        chunk._dictionary = place, size, unpacked
        return
    about = header.get(5) or header.get(8) or {}
    if not isinstance(about, dict) or not isinstance(values := about.get(1, 0), int) or values < 0:
        raise BrokenPage("a page header names no number of values")
    encoding = about.get(2 if 5 in header else 4, PLAIN)
    chunk.values += values
    chunk.densest = max(chunk.densest, unpacked / max(values, 1))
    if encoding in DICTIONARY:
        chunk.repeats = True
    elif encoding == DELTA_BYTE_ARRAY:
        chunk.longest_by_delta = max(chunk.longest_by_delta, unpacked)


def _longest(packed: bytes, unpacked: int, codec: int) -> int:
    """Bytes of the longest text in a dictionary page; all of the page where it cannot be looked into."""
    if codec != UNCOMPRESSED and codec not in CODECS:
        return unpacked
    try:
        plain = memoryview(packed if codec == UNCOMPRESSED else pa.Codec(CODECS[codec]).decompress(packed, unpacked))
    except (pa.ArrowException, OSError):
        return unpacked  # damaged: reading it will say so
    place = longest = 0
    while place + 4 <= len(plain):
        length = int.from_bytes(plain[place : place + 4], "little")
        longest = max(longest, length)
        place += 4 + length
    return min(longest, unpacked)
