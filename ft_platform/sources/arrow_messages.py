"""What the messages of an Arrow stream unpack to, read from their metadata before anything is unpacked.

Source: Apache Arrow columnar format, "Encapsulated message format" and "Compression"; `Message.fbs`: a message's metadata is a
flatbuffer (Message {version, header_type, header, bodyLength}), that of rows holds RecordBatch {length, nodes, buffers,
compression}, that of a dictionary DictionaryBatch {id, data: RecordBatch}. A compressed buffer begins with its unpacked length.
"""

import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

HEADER_TYPE, HEADER = 1, 2
DICTIONARY_BATCH, RECORD_BATCH = 2, 3
DATA = 1
BUFFERS, COMPRESSION = 2, 3
NOT_COMPRESSED = -1


class BrokenMessage(ValueError):
    """Metadata that cannot be."""


def unpacked_bytes(stream: Any) -> Iterator[int]:
    """Bytes that the compressed buffers of each message unpack to; 0 for a message without any.

    Args:
        stream: an arrow file, at the place where the stream begins.

    Raises:
        BrokenMessage: the metadata does not fit the message.
    """
    for message in pa.ipc.MessageReader.open_stream(stream):
        if message.body is not None and message.body.size:
            try:
                yield _unpacked(memoryview(message.metadata), memoryview(message.body))
            except (struct.error, IndexError):
                raise BrokenMessage("metadata that leads outside of its message") from None


def _unpacked(metadata: memoryview, body: memoryview) -> int:
    root = _number(metadata, 0, "<I")
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
        offset, length = _number(metadata, buffers + 4 + 16 * number, "<q"), _number(metadata, buffers + 12 + 16 * number, "<q")
        if offset < 0 or length < 0 or offset + length > len(body):
            raise BrokenMessage("a buffer that reaches beyond its message")
        if length >= 8 and (unpacked := _number(body, offset, "<q")) != NOT_COMPRESSED:
            if unpacked < 0:
                raise BrokenMessage("a buffer of negative length")
            total += unpacked
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
