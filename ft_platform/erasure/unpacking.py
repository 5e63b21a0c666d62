"""Bytes of words in one file: as it lies there, and inside of what it packs.

Nothing is written to a disk under a name, so that a process that is killed leaves nothing."""

import bz2
import gzip
import io
import lzma
import os
import sqlite3
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ft_platform.erasure.needles import CELL, Needles

PART_BYTES = 1 << 26
MOST_UNPACKED = 1 << 32
"""Bytes that one file may unpack to, with all archives in it; what has more is told as not opened."""
MOST_OF_CELL = 1 << 28
DEEPEST = 4
SQLITE = b"SQLite format 3\x00"
ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
STREAMS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": lambda file: pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd"),
}
"""How a packed file begins -> what unpacks it."""
BROKEN = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    KeyError,
    OverflowError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    sqlite3.Error,
)
"""What a file raises that is not what its first bytes say; arrow's errors are among them. A zip file with a password or
packed in an unknown way, and links of a tar file in a circle, are each a RuntimeError; links to nothing a KeyError."""


@dataclass
class Packed:
    """How deep in archives of one file this is, and how many bytes were unpacked of it so far."""

    depth: int = 0
    bytes: int = 0


def bytes_in(content: bytes, needles: Needles) -> tuple[int, bool]:
    """Bytes that were found in a file, and whether its inside could be read."""
    found, _, whole = bytes_in_file(io.BytesIO(content), needles)
    return found, whole


def bytes_in_file(file: Any, needles: Needles, packed: Packed | None = None) -> tuple[int, int, bool]:
    """Bytes found, bytes read, and whether the inside could be read.

    Args:
        packed: of the file that this one lies in.
    """
    packed = packed or Packed()
    found, read = _plain(file, needles)
    file.seek(0)
    head = file.read(262)
    file.seek(0)
    opener = _opener(head)
    if opener is None or packed.depth == DEEPEST:
        return found, read, opener is None
    packed.depth += 1
    try:
        inside, whole = opener(file, needles, packed)
    except BROKEN:
        return found, read, False
    finally:
        packed.depth -= 1
    return found + inside, read, whole


def _plain(file: Any, needles: Needles) -> tuple[int, int]:
    """The bytes as they are; of a large file part by part, which overlap so that nothing is cut in two."""
    found, read, before, part = 0, 0, b"", file.read(PART_BYTES)
    while part:
        read += len(part)
        whole, part = before + part, file.read(PART_BYTES)
        for start, end in needles.places(whole):
            seen = bool(before) and (start == 0 or end < len(before))
            if not seen and not (part and end == len(whole)):  # what follows is not known yet
                found += end - start
        before = whole[-2 * needles.longest :]
    return found, read


def _opener(head: bytes) -> Callable[[Any, Needles, Packed], tuple[int, bool]] | None:
    if head.startswith(b"PAR1"):
        return _parquet
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return _arrow
    if head.startswith(b"PK\x03\x04"):
        return _zip
    if head.startswith(SQLITE):
        return _sqlite
    if head[257:262] == b"ustar":
        return _tar
    return next((_stream(unpack) for begins, unpack in STREAMS.items() if head.startswith(begins)), None)


def _parquet(file: Any, needles: Needles, packed: Packed) -> tuple[int, bool]:
    with pq.ParquetFile(file, pre_buffer=False) as table:
        return sum(_in_batch(batch, needles) for batch in table.iter_batches()), True


def _arrow(file: Any, needles: Needles, packed: Packed) -> tuple[int, bool]:
    head = file.read(6)
    file.seek(0)
    if head.startswith(b"ARROW1"):
        with pa.ipc.open_file(file) as reader:
            return sum(_in_batch(reader.get_batch(n), needles) for n in range(reader.num_record_batches)), True
    with pa.ipc.open_stream(file) as reader:
        return sum(_in_batch(batch, needles) for batch in reader), True


def _in_batch(batch: pa.RecordBatch, needles: Needles) -> int:
    return sum(_in_column(column, needles) for column in batch.columns)


def _in_column(column: pa.Array, needles: Needles) -> int:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _in_column(column.dictionary, needles)
    if pa.types.is_struct(kind):
        return sum(_in_column(part, needles) for part in column.flatten())
    if pa.types.is_map(kind):
        return _in_column(column.keys, needles) + _in_column(column.items, needles)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _in_column(column.flatten(), needles)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)):
        return 0
    cells = pc.fill_null(column.cast(pa.large_binary()), b"")
    return needles.count(_joined(cells))


def _joined(cells: pa.Array) -> bytes:
    """All cells, with a mark around each."""
    if not len(cells):
        return b""
    row = pa.LargeListArray.from_arrays(pa.array([0, len(cells)], pa.int64()), cells)
    joined = pc.binary_join(row, pa.scalar(CELL, pa.large_binary()))
    return CELL + joined[0].as_py() + CELL


def _stream(unpack: Callable[[Any], Any]) -> Callable[[Any, Needles, Packed], tuple[int, bool]]:
    def look(file: Any, needles: Needles, packed: Packed) -> tuple[int, bool]:
        with unpack(file) as plain, _unpacked(plain, packed) as copy:
            found, _, whole = bytes_in_file(copy, needles, packed)
        return found, whole

    return look


def _unpacked(plain: Any, packed: Packed) -> Any:
    """A file with what is unpacked, so that it can be read more than once.

    Raises:
        ValueError: there is more than `MOST_UNPACKED`.
    """
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    while part := plain.read(1 << 20):
        packed.bytes += len(part)
        if packed.bytes > MOST_UNPACKED:
            copy.close()
            raise ValueError("unpacks to too much")
        copy.write(part)
    copy.seek(0)
    return copy


def _zip(file: Any, needles: Needles, packed: Packed) -> tuple[int, bool]:
    found, whole = 0, True
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            with archive.open(member) as plain, _unpacked(plain, packed) as copy:
                inside, _, opened = bytes_in_file(copy, needles, packed)
            found, whole = found + inside, whole and opened
    return found, whole


def _tar(file: Any, needles: Needles, packed: Packed) -> tuple[int, bool]:
    found, whole = 0, True
    with tarfile.open(fileobj=file) as archive:
        for member in archive:
            plain = archive.extractfile(member)
            if plain is not None:
                with plain, _unpacked(plain, packed) as copy:
                    inside, _, opened = bytes_in_file(copy, needles, packed)
                found, whole = found + inside, whole and opened
    return found, whole


def _sqlite(file: Any, needles: Needles, packed: Packed) -> tuple[int, bool]:
    """Every cell; one may go over several pages. A database is read where it lies, with its log; one that was packed is
    read in memory."""
    with closing(_database(file)) as database:
        database.text_factory = bytes
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = 0
        for name in names:
            quoted = '"' + name.decode().replace('"', '""') + '"'
            for row in database.execute(f"SELECT * FROM {quoted}"):
                found += needles.count(CELL + CELL.join(_cells(row)) + CELL)
    return found, True


def _database(file: Any) -> sqlite3.Connection:
    path = getattr(file, "name", None)
    if isinstance(path, str) and os.path.isfile(path):
        return sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)
    content = bytearray(file.read())
    content[18:20] = b"\x01\x01"  # it has no log any more (sqlite.org, "Database File Format", 1.3.3)
    database = sqlite3.connect(":memory:")
    database.deserialize(bytes(content))
    return database


def _cells(row: tuple[Any, ...]) -> Iterator[bytes]:
    for cell in row:
        if isinstance(cell, bytes):
            yield cell
            if cell[:2] in ZLIB:
                unpack = zlib.decompressobj()
                try:
                    yield unpack.decompress(cell, MOST_OF_CELL)
                except zlib.error:
                    continue
                if unpack.unconsumed_tail:
                    raise ValueError("unpacks to too much")
