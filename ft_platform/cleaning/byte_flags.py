"""Which kinds of characters stand in each text, found in one pass over the bytes of a whole column."""

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa

from ft_platform.records.columns import plain_array

NON_ASCII = range(0x80, 0x100)
"""Bytes of UTF-8 that belong to characters outside ASCII."""


class ByteFlags:
    """Texts of a column as bytes, and a bit mask for each byte.

    Args:
        texts: strings; a null counts as empty.
        classes: bit (a power of two below 256) -> bytes that get it.

    Attributes:
        flags: mask of each byte of the column, writable. Shape `(bytes,)`, dtype uint8.
        starts, ends: where each text begins and ends in `flags`. Shape `(texts,)`.
    """

    def __init__(self, texts: pa.Array | pa.ChunkedArray, classes: Mapping[int, Iterable[int]]) -> None:
        offsets, data = string_buffers(texts)
        table = bytearray(256)
        for bit, members in classes.items():
            for byte in members:
                table[byte] |= bit
        self.flags = np.frombuffer(bytearray(data.tobytes().translate(bytes(table))), np.uint8)
        self.starts, self.ends = offsets[:-1], offsets[1:]

    def of_texts(self) -> np.ndarray:
        """Bits that any byte of each text has. Shape `(texts,)`, dtype uint8."""
        return self._gathered(np.bitwise_or, np.uint8)

    def _gathered(self, operation: np.ufunc, dtype: type) -> np.ndarray:
        found = np.zeros(len(self.starts), dtype)
        filled = self.ends > self.starts
        if filled.any():
            found[filled] = operation.reduceat(self.flags, self.starts[filled], dtype=dtype)
        return found


def string_buffers(texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets of shape `(texts + 1,)`, starting at 0, and the bytes of all texts of a string column, without copying
    them."""
    array = plain_array(texts)
    if not len(array):
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    _, offsets_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    data = (
        np.frombuffer(data_buffer, np.uint8) if data_buffer is not None and data_buffer.size else np.empty(0, np.uint8)
    )
    return offsets - offsets[0], data[offsets[0] : offsets[-1]]
