"""Rows read in several passes, and parked on the disk in between."""

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.records.rows import Spool, TableRows

SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])


def batch(start: int, stop: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"id": list(range(start, stop)), "text": [f"row {i}" for i in range(start, stop)]}, schema=SCHEMA
    )


@pytest.fixture
def spool(tmp_path) -> Spool:
    spool = Spool(tmp_path / "rows.arrow", SCHEMA)
    for start, stop in [(0, 4), (4, 4), (4, 5), (5, 12)]:
        spool.write(batch(start, stop))
    return spool


def test_a_spool_gives_back_every_row_in_order_any_number_of_times(spool):
    for _ in range(2):
        assert pa.Table.from_batches(spool.batches()).equals(pa.Table.from_batches([batch(0, 12)]).combine_chunks())
    assert spool.num_rows == 12


@pytest.mark.parametrize("rows", [[], [11], [0, 0, 4], [7, 3, 11, 4, 3]], ids=str)
def test_rows_are_taken_by_number_in_the_order_asked_for(spool, rows):
    taken = spool.take(np.array(rows, dtype=np.int64), ["text"])
    assert taken.column_names == ["text"]
    assert taken["text"].to_pylist() == [f"row {i}" for i in rows]


def test_an_empty_spool_has_no_batches(tmp_path):
    spool = Spool(tmp_path / "rows.arrow", SCHEMA)
    assert list(spool.batches()) == []
    assert spool.take(np.array([], dtype=np.int64)).schema.equals(SCHEMA)


def test_rows_of_a_table_come_in_batches():
    rows = TableRows(pa.Table.from_batches([batch(0, 10)]), batch_rows=4)
    assert [b.num_rows for b in rows.batches(["id"])] == [4, 4, 2]
    assert rows.num_rows == 10
