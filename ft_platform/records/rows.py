"""Rows that do not fit into memory: read again and again batch by batch, or parked on the disk between two passes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

BATCH_ROWS = 8192
MAPPED_BATCHES = 32
"""Batches of a spool that one mapping serves: about 100 MB of short texts."""


class Rows(Protocol):
    """Rows that can be read more than once, in the same order each time.

    Attributes:
        schema: columns and types.
        num_rows: how many there are.
    """

    @property
    def schema(self) -> pa.Schema: ...

    @property
    def num_rows(self) -> int: ...

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows as record batches, restricted to `columns`."""
        ...


class TableRows:
    """Rows of a table in memory: for small tables and tests."""

    def __init__(self, table: pa.Table, batch_rows: int = BATCH_ROWS) -> None:
        self._table = table
        self._batch_rows = batch_rows
        self.schema = table.schema
        self.num_rows = table.num_rows

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        chosen = self._table.select(list(columns)) if columns is not None else self._table
        yield from chosen.to_batches(max_chunksize=self._batch_rows)


class Spool:
    """Record batches in an arrow file, written once and then read as often as needed, also by row number.

    The file is memory-mapped, some batches at a time: pages of a mapping count as memory of the process until it ends,
    and ten million rows stood at 9.2 GiB. It belongs into the private folder of a stage (`Work.folder`), which is
    removed afterwards.

    Args:
        path: file to write.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self.num_rows = 0
        self._path = path
        self._starts: list[int] = [0]
        self._sink = pa.OSFile(str(path), "wb")
        self._writer: pa.RecordBatchFileWriter | None = pa.ipc.new_file(self._sink, schema)
        self._reader: pa.RecordBatchFileReader | None = None
        self._fetched = 0

    def write(self, batch: pa.RecordBatch) -> None:
        assert self._writer is not None, "the spool is being read already"
        if batch.num_rows:
            self._writer.write_batch(batch)
            self.num_rows += batch.num_rows
            self._starts.append(self.num_rows)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All batches as they were written. The first call ends the writing."""
        for number in range(self._batch_count()):
            batch = self._batch(number)
            yield batch.select(list(columns)) if columns is not None else batch

    def take(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
        """The given rows in the given order.

        Args:
            rows: row numbers, shape `(n,)`; sorted ones touch each page of the file once.
        """
        self._end_writing()
        wanted = np.asarray(rows, dtype=np.int64)
        order = np.argsort(wanted, kind="stable")
        numbers = np.searchsorted(self._starts, wanted[order], side="right") - 1
        parts = []
        for number in np.unique(numbers):
            batch = self._batch(int(number))
            chosen = batch.select(list(columns)) if columns is not None else batch
            parts.append(chosen.take(pa.array(wanted[order][numbers == number] - self._starts[number])))
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        return pa.Table.from_batches(parts, schema=schema).take(pa.array(back)) if parts else schema.empty_table()

    def delete(self) -> None:
        """Gives the disk back; batches that are still held stay readable."""
        self._path.unlink()

    def _batch_count(self) -> int:
        self._end_writing()
        return len(self._starts) - 1

    def _batch(self, number: int) -> pa.RecordBatch:
        if self._reader is None or self._fetched >= MAPPED_BATCHES:
            # The mapping before ends with the last batch that is held of it.
            self._reader, self._fetched = pa.ipc.open_file(pa.memory_map(str(self._path))), 0
        self._fetched += 1
        return self._reader.get_batch(number)

    def _end_writing(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._sink.close()
            self._writer = None
