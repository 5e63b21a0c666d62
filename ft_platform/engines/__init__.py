"""Where the batch functions of the data stages run. Every engine gives the same rows in the same order."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import pyarrow as pa

from ft_platform.records.rows import Rows
from ft_platform.use_case import Compute

BatchFunction = Callable[[pa.RecordBatch], pa.RecordBatch]


class Engine(Protocol):
    """Applies a function to every batch of rows."""

    def map(self, rows: Rows, make: Callable[[], BatchFunction], columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The results in the order of the rows.

        Args:
            make: builds the function, once per worker; must be picklable (a class or `functools.partial` of one at module
                level), and so must be what it holds. Heavy state (a language model) is loaded in it, not before.
            columns: read only these.
        """
        ...


def engine_of(compute: Compute) -> Engine:
    """The engine that a use case names.

    Raises:
        MissingExtra: its package is not installed (on first use).
    """
    if compute.engine == "ray":
        from ft_platform.engines.ray import Ray

        return Ray(compute.workers)
    if compute.engine == "processes":
        from ft_platform.engines.processes import Processes

        return Processes(compute.workers)
    from ft_platform.engines.in_process import InProcess

    return InProcess()
