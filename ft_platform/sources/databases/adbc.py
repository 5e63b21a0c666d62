"""A table or a query of PostgreSQL or SQLite, read through ADBC: the driver makes arrow batches, without a Python
object per value.

`postgresql+adbc://reader@host/database` and `sqlite+adbc:///path`, with the settings and rules of `sql.py`: opened so
that nothing can be written, and with `source.high_water_column` only from the highest value on. Not covered: types that
the driver does not translate (an error: select them as text), and other databases than these two.
"""

import hashlib
import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.parse import quote as percent_encoded

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import MissingExtra, SourceError, TransientError
from ft_platform.settings.environment import Environment
from ft_platform.settings.source import Source
from ft_platform.sources.arrow_strings import checked_parts
from ft_platform.sources.deadline import answered, watched
from ft_platform.sources.file_format import Opened
from ft_platform.sources.local_files import require_regular
from ft_platform.sources.parts import Order, Piece
from ft_platform.sources.statements import (
    libpq_options,
    mark_value,
    password_of,
    require_rows,
    select_query,
    statement,
    table_uri,
    unreadable,
    written_mark,
)

SIGN = "+adbc://"
DATABASES = ("postgresql", "sqlite")


def find(source: Source, environment: Environment) -> "AdbcTable | None":
    return AdbcTable(source) if (source.table or source.query) and SIGN in source.uri else None


class AdbcTable:
    """The rows of a table or query.

    Attributes:
        uri: URL of the database with the table's name, or a hash of the query.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.uri = table_uri(source)

    def sha256(self) -> str:
        """Changes with the rows; with a high-water column, with its highest value or the number of rows."""
        return answered(self.uri, self._source.limits.silent_seconds, self._hashed)

    def _hashed(self) -> Generator[str, None, None]:
        """The hash, after one empty text for each part of the rows."""
        with self._connected() as cursor:
            if self._source.high_water_column:
                cursor.execute(self._statement([], what="count(*), max({mark})"))
                count, highest = cursor.fetchone()
                yield hashlib.sha256(json.dumps([count, written_mark(self.uri, highest)]).encode()).hexdigest()
                return
            cursor.execute(self._statement(["*"]))
            total = rows = 0
            for batch in cursor.fetch_record_batch():
                for row in zip(
                    *[column.to_pylist() for column in batch.columns], strict=True
                ):  # a sum does not depend on the order
                    total += int.from_bytes(hashlib.sha256(repr(row).encode("utf-8", "surrogatepass")).digest(), "big")
                rows += batch.num_rows
                require_rows(self.uri, self._source, rows)
                yield ""
            yield hashlib.sha256(f"{rows}:{total % (1 << 256):x}".encode()).hexdigest()

    def pieces(self, sha256: str | None, order: Order) -> Iterator[Piece]:
        opened = order.opened(self.uri)
        marks: list[str] = []
        yield Piece(opened, self.batches(opened, order.mark, marks), marks=marks)

    def batches(
        self, opened: Opened, mark: str | None = None, marks: list[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The mapped columns of `opened`, as strings: see `sql.SqlTable.batches`."""
        return watched(
            self.uri,
            self._source.limits.silent_seconds,
            lambda: self._batches(opened, mark, marks if marks is not None else []),
        )

    def _batches(self, opened: Opened, mark: str | None, marks: list[str]) -> Generator[pa.RecordBatch, None, None]:
        with self._connected() as cursor:
            cursor.execute(self._statement(["*"], none=True))
            names = cursor.fetch_record_batch().schema.names
            columns = opened.require(names)
            if (column := self._source.high_water_column) and column not in names:
                raise SourceError(f"{self.uri} has no column {column!r}", "Correct source.high_water_column")
            chosen = [*columns, column] if column and column not in columns else columns
            cursor.execute(self._statement(chosen, since=_literal(mark_value(mark)) if mark else ""))
            row, highest = 1, None
            for batch in cursor.fetch_record_batch():
                if column and (found := pc.max(batch.column(column)).as_py()) is not None:
                    highest = found if highest is None else max(highest, found)
                yield from checked_parts(opened, self._translated(batch.select(columns)), row)
                row += batch.num_rows
            if highest is not None:
                marks.append(written_mark(self.uri, highest) or "")

    def _translated(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch without the driver's own types.

        Raises:
            SourceError: a column is of a type that the driver hands on as the database's own bytes.
        """
        columns = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            plain = column.storage if isinstance(column, pa.ExtensionArray) else column
            if plain is not column and not pa.types.is_string(plain.type):
                raise SourceError(
                    f"{self.uri}: column {name!r} is of a type that ADBC does not translate",
                    f"Select it as text, or read without {SIGN[:-3]}",
                )
            columns.append(plain)
        return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)

    def _statement(self, columns: list[str], *, what: str = "", since: str = "", none: bool = False) -> str:
        return statement(self._source, select_query(self._source), _quoted, columns, what=what, since=since, none=none)

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """A cursor that can only read.

        Raises:
            MissingExtra: the driver is not installed.
            SourceError: the table or query cannot be read.
            TransientError: the database does not answer, or refuses the account.
        """
        try:
            import adbc_driver_manager  # pyright: ignore[reportMissingImports]

            if self._source.uri.startswith("sqlite"):
                import adbc_driver_sqlite.dbapi as driver  # pyright: ignore[reportMissingImports]
            else:
                import adbc_driver_postgresql.dbapi as driver  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise MissingExtra("the ADBC driver of this database", extra="adbc") from None
        address = self._address()
        try:
            connection = driver.connect(address)
        except adbc_driver_manager.Error:  # its words hold the address
            raise TransientError(
                f"{self.uri}: the database cannot be reached, or refuses the account",
                "Check host, account and source.password_variable, then run again",
            ) from None
        try:
            with connection, connection.cursor() as cursor:
                if not self._source.uri.startswith("sqlite"):
                    cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
                    connection.commit()
                yield cursor
        except (adbc_driver_manager.Error, pa.ArrowException, OSError):
            raise unreadable(self.uri) from None

    def _address(self) -> str:
        """What the driver is given: the path of a file, or a URI with the password.

        Raises:
            SourceError: there is no such file, or the database is none of these two.
        """
        scheme, _, rest = self._source.uri.partition(SIGN)
        if scheme not in DATABASES:
            raise SourceError(
                f"source.uri: {scheme} is not read through ADBC, only {' and '.join(DATABASES)}",
                f"Remove {SIGN[:-3]}",
            )
        if scheme == "sqlite":
            path = os.path.abspath(os.path.expanduser(rest.removeprefix("/")))
            if not os.path.exists(path):
                raise SourceError(
                    f"source.uri {self._source.uri}: there is no file {path}",
                    "Correct source.uri, or put the file there",
                )
            require_regular(path)
            return f"file:{percent_encoded(path)}?mode=ro"
        parts = urlsplit(f"postgresql://{rest}")
        user, at, host = parts.netloc.rpartition("@")
        password = password_of(self._source)
        secret = f":{percent_encoded(password, safe='')}" if password else ""
        options = urlencode({**libpq_options(self._source), **dict(parse_qsl(parts.query))})
        return f"postgresql://{user}{secret}{at}{host}{parts.path}?{options}"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _literal(value: Any) -> str:
    """A value of the high-water column in a statement: PostgreSQL's driver would hold the whole result if it were a
    parameter."""
    if isinstance(value, int):
        return str(value)
    doubled = str(value).replace("'", "''")
    return f"'{doubled}'"
