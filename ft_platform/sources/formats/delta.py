"""A Delta table: a folder, an object-store URI, or `uc://catalog.schema.table` of Unity Catalog. Read at one version,
whole.

It is read again whenever its version changes; rows that are known add nothing. Column mapping, partitions and deletion
vectors are delta-rs's work. Covered by tests: local folders, `s3://`, and `uc://` with tables in S3. Not covered:
limits of unpacking and page checksums, because delta-rs and not this platform opens the files.
"""

import hashlib
import os
from collections.abc import Generator, Iterator
from typing import Any

import pyarrow as pa

from ft_platform.errors import SourceError, TransientError
from ft_platform.sources.arrow_strings import checked_parts
from ft_platform.sources.deadline import answered, once, watched
from ft_platform.sources.file_format import Opened
from ft_platform.sources.parts import Order, Piece
from ft_platform.sources.unity_catalog import SCHEME, locate
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.source import Source

LOG = "_delta_log"


def find(source: Source, environment: Environment) -> "DeltaSource | None":
    local = os.path.join(source.uri.removeprefix("file://"), LOG)
    named = source.format == "delta" or source.uri.startswith(SCHEME)
    if named or (source.format == "auto" and os.path.isdir(local)):
        return DeltaSource(source.uri, environment.storage_options(), source.limits.silent_seconds)
    return None


class DeltaSource:
    """The table at the version it had when it was asked for its hash.

    Attributes:
        uri: as in the settings.
    """

    def __init__(self, uri: str, storage_options: dict[str, str], silent_seconds: float) -> None:
        self.uri = uri
        self._silent_seconds = silent_seconds
        self._options = storage_options
        self._table: Any = None

    def sha256(self) -> str:
        """Changes with every commit, also with one that changes no row."""
        self._table = answered(self.uri, self._silent_seconds, lambda: once(self._opened))
        return hashlib.sha256(f"{self._table.metadata().id}:{self._table.version()}".encode()).hexdigest()

    def pieces(self, sha256: str | None, order: Order) -> Iterator[Piece]:
        opened = order.opened(self.uri)
        yield Piece(opened, watched(self.uri, self._silent_seconds, lambda: self._batches(opened)))

    def _batches(self, opened: Opened) -> Generator[pa.RecordBatch, None, None]:
        table = self._table if self._table is not None else self._opened()
        columns = opened.require([field.name for field in table.schema().fields])
        row = 1
        try:
            for made in pa.RecordBatchReader.from_stream(table.scan(columns=columns)):
                yield from checked_parts(opened, made.select(columns), row)
                row += made.num_rows
        except (OSError, pa.ArrowException):
            raise SourceError(
                f"{self.uri}: version {table.version()} cannot be read",
                "Check that its files are there and not damaged",
            ) from None

    def _opened(self) -> Any:
        """Raises:
        ConfigError, SourceError: there is no Delta table, or the catalogue does not give it.
        TransientError: the object store or catalogue does not answer.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        uri, options = os.path.expanduser(self.uri.removeprefix("file://")), self._options
        if uri.startswith(SCHEME):
            uri, credentials = locate(uri)
            options = {**options, **credentials}
        try:
            return DeltaTable(uri, storage_options=options)
        except TableNotFoundError:
            raise SourceError(
                f"source.uri {self.uri} is not a Delta table", "Correct source.uri or source.format"
            ) from None
        except (DeltaError, OSError, ValueError):
            raise TransientError(
                f"source.uri {self.uri} cannot be opened as a Delta table",
                "Check that its log is whole, network, endpoint and credentials, then run again",
            ) from None
