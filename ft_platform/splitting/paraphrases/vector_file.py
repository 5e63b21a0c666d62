"""The vectors of all texts, on the disk: half precision, read by row number."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa


class VectorFile:
    """Vectors of one length for `rows` texts, appended in order, then read by number.

    Not memory-mapped: the pages of the file would count as memory of the process.

    Args:
        path: file to write; removed at the end.
    """

    def __init__(self, path: Path, rows: int) -> None:
        self.rows = rows
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self._bytes = 0

    def __enter__(self) -> "VectorFile":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
        self._path.unlink()

    def append(self, vectors: pa.Array) -> None:
        """Takes vectors as `packed_vectors` gives them."""
        self._bytes = vectors.type.byte_width
        left = memoryview(vectors.buffers()[1])[
            vectors.offset * self._bytes : (vectors.offset + len(vectors)) * self._bytes
        ]
        while left:
            left = left[os.write(self._file, left) :]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Vectors of some rows. Shape `(rows, dimensions)`, dtype float32; unit length but for rounding, or zero."""
        starts = (rows.astype(np.int64) * self._bytes).tolist()
        data = b"".join([os.pread(self._file, self._bytes, start) for start in starts])
        return np.frombuffer(data, np.float16).reshape(len(rows), -1).astype(np.float32)


def packed_vectors(vectors: np.ndarray) -> pa.RecordBatch:
    """Vectors of shape `(rows, dimensions)` at unit length and in half precision, as the result of a batch function;
    zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    data = np.ascontiguousarray(vectors / np.where(lengths > 0, lengths, 1), np.float16)
    width = pa.binary(2 * vectors.shape[1])
    return pa.RecordBatch.from_arrays(
        [pa.FixedSizeBinaryArray.from_buffers(width, len(data), [None, pa.py_buffer(data)])], names=["vector"]
    )
