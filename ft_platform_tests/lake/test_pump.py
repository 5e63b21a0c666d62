"""Batches made in one thread and written in another."""

import os
import subprocess
import sys

import pyarrow as pa
import pytest

from ft_platform.errors import DataError
from ft_platform.lake.pump import Pump
from ft_platform.lake.store import Lake

BATCH = pa.RecordBatch.from_pydict({"record_id": ["a", "b"]})


def test_batches_come_in_order():
    made = [pa.RecordBatch.from_pydict({"record_id": [str(i)]}) for i in range(50)]
    with Pump(made) as pump:
        assert [b["record_id"][0].as_py() for b in pump.batches()] == [str(i) for i in range(50)]


def test_a_reader_that_stops_early_ends_the_thread():
    def endless():
        while True:
            yield BATCH

    with Pump(endless()) as pump:
        next(pump.batches())
    assert not pump._thread.is_alive()


def test_an_error_in_the_middle_comes_out_as_it_is_and_nothing_is_written(tmp_path):
    lake = Lake(tmp_path)

    def failing():
        yield BATCH
        raise DataError("the third row is impossible")

    with pytest.raises(DataError, match="the third row is impossible"):
        lake.write_table("claims", "raw_records", failing(), BATCH.schema, zone="restricted")
    assert lake.latest("claims", "raw_records") is None


def test_a_table_may_be_written_from_tables_that_are_read_meanwhile(tmp_path):
    lake = Lake(tmp_path)
    first = lake.write_table("claims", "raw_records", [BATCH], BATCH.schema, zone="restricted")

    def doubled():
        yield from lake.read(first)
        other = lake.write_table("claims", "raw_records_removed", [BATCH], BATCH.schema, zone="restricted")
        yield from lake.read(other)

    assert lake.write_table("claims", "permitted_records", doubled(), BATCH.schema, zone="restricted").rows == 4


ON_ONE_PROCESSOR = """
import sys
import pyarrow as pa
from ft_platform.lake.store import Lake

lake, batch = Lake(sys.argv[1]), pa.RecordBatch.from_pydict({"record_id": ["a", "b"]})
first = lake.write_table("claims", "raw_records", [batch], batch.schema, zone="restricted")
print(lake.write_table("claims", "permitted_records", lake.read(first), batch.schema, zone="restricted").rows)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot hold a process to a processor")
def test_a_table_is_written_from_another_where_there_is_one_processor(tmp_path):
    one = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", ON_ONE_PROCESSOR, str(tmp_path)],
        preexec_fn=lambda: os.sched_setaffinity(0, {one}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "2\n", done.stderr
