"""Computes batches in one thread while another writes them.

The writer of deltalake pulls batches inside its own runtime, in which no other table may be opened: a stage that reads
its parents while it is written needs a thread of its own. It also lets computing and compressing overlap.
"""

import contextvars
import queue
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType

import pyarrow as pa

DEPTH = 4
"""Batches that may wait for the writer."""
WAIT_SECONDS = 0.2


class Pump:
    """Hands batches from the thread that makes them to the one that writes them, in order.

    Attributes:
        error: what went wrong while batches were made; `batches` raises it too, but a writer may hide it behind its own
            error.
    """

    def __init__(self, source: Iterable[pa.RecordBatch]) -> None:
        self.error: BaseException | None = None
        self._source = source
        self._queue: queue.Queue[pa.RecordBatch | None] = queue.Queue(DEPTH)
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._run,), name="batches", daemon=True
        )

    def __enter__(self) -> "Pump":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        if self.error is not None and error is not self.error:
            raise self.error from None

    def batches(self) -> Iterator[pa.RecordBatch]:
        while (batch := self._queue.get()) is not None:
            yield batch
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            for batch in self._source:
                if not self._put(batch):
                    return
        except BaseException as error:
            self.error = error
        self._put(None)

    def _put(self, batch: pa.RecordBatch | None) -> bool:
        """False once nobody waits for batches any more."""
        while not self._stopped.is_set():
            try:
                self._queue.put(batch, timeout=WAIT_SECONDS)
                return True
            except queue.Full:
                continue
        return False
