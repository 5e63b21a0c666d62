"""Batch functions on a pool of processes of this machine."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pyarrow as pa

from ft_platform.errors import TransientError
from ft_platform.records.engines.engine import BatchFunction
from ft_platform.records.rows import Rows

_function: BatchFunction | None = None
"""The batch function of a worker process, built once in it."""


class Processes:
    """Workers that are started for one `map` and end with it. At most two batches a worker are under way, so memory
    stays bounded.

    Workers are spawned, not forked: the parent runs threads, and a fork of it can inherit a lock that nobody releases.

    Args:
        workers: number of processes; 0: one for each core this process may use.
    """

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers or len(os.sched_getaffinity(0))

    def map(
        self, rows: Rows, make: Callable[[], BatchFunction], columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        context = multiprocessing.get_context("spawn")
        under_way: deque[Future[bytes]] = deque()
        pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_start, initargs=(make,))
        try:
            for batch in rows.batches(columns):
                if len(under_way) >= 2 * self.workers:
                    yield _result(under_way.popleft())
                under_way.append(pool.submit(_apply, packed(batch)))
            while under_way:
                yield _result(under_way.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def packed(*batches: pa.RecordBatch) -> bytes:
    """Batches as an arrow stream: cheap to hand to another process, unlike a pickle of slices, which carries the whole
    buffers."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def unpacked(data: bytes) -> pa.RecordBatch:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_next_batch()


def _start(make: Callable[[], BatchFunction]) -> None:
    global _function
    # Ctrl-C reaches every process of the terminal: the parent ends the workers, which would only print where they were.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    pa.set_cpu_count(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of torch, where the function loads it
    _function = make()


def _end_with_the_parent() -> None:
    """A worker of a killed process would wait for work for ever: it holds the writing end of its own queue."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _apply(data: bytes) -> bytes:
    assert _function is not None
    return packed(_function(unpacked(data)))


def _result(future: "Future[Any]") -> pa.RecordBatch:
    try:
        return unpacked(future.result())
    except BrokenProcessPool:
        raise TransientError(
            "a worker process ended in the middle of a batch (out of memory?)",
            "Run the step again, with fewer `compute.workers`",
        ) from None
