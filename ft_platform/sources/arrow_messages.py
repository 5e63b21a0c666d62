"""What the messages of an Arrow stream unpack to, read from their metadata before anything is unpacked.

Source: Apache Arrow columnar format, "Encapsulated message format" and "Compression"; `Message.fbs`: a message's
metadata is a flatbuffer (Message {version, header_type, header, bodyLength}), that of rows holds RecordBatch {length,
nodes, buffers, compression}, that of a dictionary DictionaryBatch {id, data: RecordBatch}. A compressed buffer begins
with its unpacked length."""

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

HEADER_TYPE, HEADER, BODY_LENGTH = 1, 2, 3
DICTIONARY_BATCH, RECORD_BATCH = 2, 3
DATA = 1
BUFFERS, COMPRESSION = 2, 3
NOT_COMPRESSED = -1
CONTINUATION = b"\xff\xff\xff\xff"


class BrokenMessage(ValueError):
    """Metadata that cannot be."""


def unpacked_bytes(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Of each message: bytes of its body, and bytes that the compressed buffers in it unpack to. No body is read.

    Args:
        file: at the place where the stream begins.

    Raises:
        BrokenMessage: the metadata does not fit the message, or the message does not fit the file; or the mark of the
            end is not there, which a file that was cut between two messages lacks.
    """
    place = file.tell()
    size = file.seek(0, os.SEEK_END)
    try:
        while place < size:
            file.seek(place)
            head = file.read(8)
            start = 4 if head[:4] == CONTINUATION else 0  # streams of before 0.15 have none
            length = _number(memoryview(head), start, "<i")
            if length == 0:
                rest = size - (place + start + 4)
                file.seek(max(0, size - 10))
                tail = file.read(10)
                if rest and not (
                    tail[4:] == b"ARROW1" and int.from_bytes(tail[:4], "little") == rest - 10
                ):  # nothing but the footer of a file
                    raise BrokenMessage("bytes behind the mark of its end")
                return
            if not 0 < length <= size - place:
                raise BrokenMessage("metadata that leads outside of the file")
            file.seek(place + start + 4)
            metadata = memoryview(file.read(length))
            body = place + start + 4 + length
            root = _number(metadata, 0, "<I")
            length_at = _field(metadata, root, BODY_LENGTH)
            body_bytes = _number(metadata, length_at, "<q") if length_at is not None else 0
            if body_bytes < 0 or body + body_bytes > size:
                raise BrokenMessage("a body that leads outside of the file")
            yield body_bytes, _unpacked(metadata, root, file, body, body_bytes)
            place = body + body_bytes
        raise BrokenMessage("no mark of its end")
    except (struct.error, IndexError):
        raise BrokenMessage("metadata that leads outside of its message") from None


def _unpacked(metadata: memoryview, root: int, file: BinaryIO, body: int, body_bytes: int) -> int:
    kind = _field(metadata, root, HEADER_TYPE)
    batch = _table(metadata, root, HEADER)
    if batch is None or kind is None or metadata[kind] not in (DICTIONARY_BATCH, RECORD_BATCH):
        return 0
    if metadata[kind] == DICTIONARY_BATCH and (batch := _table(metadata, batch, DATA)) is None:
        return 0
    buffers = _table(metadata, batch, BUFFERS)
    if _table(metadata, batch, COMPRESSION) is None or buffers is None:
        return 0
    total = 0
    for number in range(_number(metadata, buffers, "<I")):
        offset, length = (
            _number(metadata, buffers + 4 + 16 * number, "<q"),
            _number(metadata, buffers + 12 + 16 * number, "<q"),
        )
        if offset < 0 or length < 0 or offset + length > body_bytes:
            raise BrokenMessage("a buffer that reaches beyond its message")
        if length >= 8:
            file.seek(body + offset)
            unpacked = _number(memoryview(file.read(8)), 0, "<q")
            if unpacked < NOT_COMPRESSED:
                raise BrokenMessage("a buffer of negative length")
            total += max(0, unpacked)
    return total


def _field(data: memoryview, table: int, number: int) -> int | None:
    """Where a field of a flatbuffer table lies, or None where it is left out."""
    layout = table - _number(data, table, "<i")
    place = 4 + 2 * number
    if layout < 0 or place + 2 > _number(data, layout, "<H"):
        return None
    offset = _number(data, layout + place, "<H")
    return table + offset if offset else None


def _table(data: memoryview, table: int, number: int) -> int | None:
    """Where the table or vector that a field leads to begins."""
    place = _field(data, table, number)
    return None if place is None else place + _number(data, place, "<I")


def _number(data: memoryview, place: int, form: str) -> int:
    if place < 0:
        raise IndexError
    return struct.unpack_from(form, data, place)[0]
