"""Batch functions in this process, one batch after the other."""

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from ft_platform.records.engines.engine import BatchFunction
from ft_platform.records.rows import Rows


class InProcess:
    """No workers, no copies: the engine for small data, for tests and for debugging."""

    def map(
        self, rows: Rows, make: Callable[[], BatchFunction], columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        function = make()
        for batch in rows.batches(columns):
            yield function(batch)
