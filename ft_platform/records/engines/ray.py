"""Batch functions on Ray Data: on this machine, or on the cluster that `RAY_ADDRESS` names."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from ft_platform.errors import MissingExtra
from ft_platform.records.engines.engine import BatchFunction
from ft_platform.records.engines.failures import error_of, failure_of
from ft_platform.records.rows import Rows

FAILURE = "ft_platform_failure"
WINDOW_ROWS = 500_000
"""Rows handed to Ray at once: what its object store holds stays bounded, whatever the size of the table."""


class Ray:
    """Ray Data with one actor a worker, results in the order of the rows.

    Args:
        workers: actors; 0: one for each CPU of the cluster.
    """

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers

    def map(
        self, rows: Rows, make: Callable[[], BatchFunction], columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        ray = _started()
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        workers = self.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        pool = ray.data.ActorPoolStrategy(size=workers)
        for window in _windows(rows.batches(columns)):
            dataset = ray.data.from_arrow([pa.Table.from_batches([batch]) for batch in window])
            mapped = dataset.map_batches(
                _Worker,
                fn_constructor_args=(make,),
                batch_format="pyarrow",
                batch_size=None,
                compute=pool,
                zero_copy_batch=True,
            )
            for table in mapped.iter_batches(batch_size=None, batch_format="pyarrow"):
                if table.column_names == [FAILURE]:
                    raise error_of(table[FAILURE][0].as_py())
                yield from table.combine_chunks().to_batches()


class _Worker:
    """The batch function in an actor, built once. Errors travel as data."""

    def __init__(self, make: Callable[[], BatchFunction]) -> None:
        self._function = make()

    def __call__(self, table: pa.Table) -> pa.Table:
        try:
            return pa.Table.from_batches([self._function(batch) for batch in table.combine_chunks().to_batches()])
        except Exception as error:
            return pa.table({FAILURE: [failure_of(error)]})


def _windows(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    window: list[pa.RecordBatch] = []
    for batch in batches:
        window.append(batch)
        if sum(b.num_rows for b in window) >= WINDOW_ROWS:
            yield window
            window = []
    if window:
        yield window


def _started() -> Any:
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtra("engine: ray", "ray") from None
    if not ray.is_initialized():
        failures: queue.Queue[Exception | None] = queue.Queue()
        threading.Thread(target=_start_and_stay, args=(ray, failures), name="ray", daemon=True).start()
        if (failure := failures.get()) is not None:
            raise failure
        logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


def _start_and_stay(ray: Any, failures: "queue.Queue[Exception | None]") -> None:
    """Starts Ray, or connects to a cluster, in a thread that lives as long as the process.

    On Linux, Ray's servers are killed with the *thread* that started them (PR_SET_PDEATHSIG), and then Ray ends the
    process. A stage computes in a thread of its own (`lake.pump`): started there, Ray took the whole run with it after
    the first stage.
    """
    try:
        ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
    except Exception as error:
        failures.put(error)
        return
    failures.put(None)
    threading.Event().wait()
