"""Every engine gives the same rows in the same order; faults come out as they are."""

import functools
import importlib.util
import os
import signal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ft_platform.errors import DataError, TransientError
from ft_platform.lake.content_hash import ContentHash
from ft_platform.records.engines import BatchFunction, Engine, engine_of
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.engines.processes import Processes
from ft_platform.records.rows import TableRows
from ft_platform.use_case.schema import Compute

TABLE = pa.table({"record_id": [f"{i:04d}" for i in range(3000)], "text": [f"Text {i}" for i in range(3000)]})


def shout(mark: str) -> BatchFunction:
    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        loud = pc.binary_join_element_wise(pc.utf8_upper(batch["text"]), mark, "")  # type: ignore[attr-defined]
        return pa.RecordBatch.from_arrays([batch["record_id"], loud], names=["record_id", "text"])

    return apply


def refuse() -> BatchFunction:
    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        raise DataError("a row is impossible", "Look at the source")

    return apply


def die() -> BatchFunction:
    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        os.kill(os.getpid(), signal.SIGKILL)
        return batch

    return apply


@pytest.fixture(
    params=[
        "in_process",
        "processes",
        pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.components(name="ray")]),
        pytest.param("spark", marks=pytest.mark.components(name="spark")),
    ]
)
def engine(request) -> Engine:
    if request.param == "ray" and not importlib.util.find_spec("ray"):
        pytest.skip("needs the extra `ray`")
    if request.param == "spark":
        request.getfixturevalue("spark_folder")
    return engine_of(Compute(engine=request.param, workers=2))


def test_the_same_rows_in_the_same_order_on_every_engine(engine):
    made = pa.Table.from_batches(engine.map(TableRows(TABLE, batch_rows=100), functools.partial(shout, "!")))
    expected = pa.Table.from_batches(InProcess().map(TableRows(TABLE), functools.partial(shout, "!")))
    assert made.combine_chunks().equals(expected.combine_chunks())
    assert made["text"][7].as_py() == "TEXT 7!"
    digests = []
    for table in (made, expected):
        hasher = ContentHash()
        hasher.add(table)
        digests.append(hasher.hexdigest())
    assert digests[0] == digests[1]


@pytest.mark.integration
def test_only_the_columns_asked_for_are_handed_out(engine):
    batches = list(engine.map(TableRows(TABLE, batch_rows=1000), functools.partial(names_of), ["text"]))
    assert {b.schema.names[0] for b in batches} == {"seen_text"}


def names_of() -> BatchFunction:
    return lambda batch: pa.RecordBatch.from_arrays([batch.column(0)], names=[f"seen_{','.join(batch.schema.names)}"])


@pytest.mark.integration
def test_an_error_in_a_batch_comes_out_typed(engine):
    with pytest.raises(DataError, match="a row is impossible") as caught:
        list(engine.map(TableRows(TABLE), refuse))
    assert caught.value.next_step == "Look at the source"


@pytest.mark.integration
def test_a_worker_that_dies_is_a_clear_error():
    with pytest.raises(TransientError, match="worker process ended"):
        list(Processes(1).map(TableRows(TABLE), die))


@pytest.mark.integration
def test_a_reader_that_stops_early_ends_the_workers():
    results = Processes(2).map(TableRows(TABLE, batch_rows=10), functools.partial(shout, "?"))
    assert next(results).num_rows == 10
    results.close()  # type: ignore[attr-defined]
