"""What an engine does."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import pyarrow as pa

from ft_platform.records.rows import Rows

BatchFunction = Callable[[pa.RecordBatch], pa.RecordBatch]


class Engine(Protocol):
    """Applies a function to every batch of rows."""

    def map(
        self, rows: Rows, make: Callable[[], BatchFunction], columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The results in the order of the rows.

        Args:
            make: builds the function, once per worker; must be picklable (a class or `functools.partial` of one at
                module level), and so must be what it holds. Heavy state (a language model) is loaded in it, not before.
            columns: read only these.
        """
        ...
