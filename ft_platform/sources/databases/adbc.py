"""A table or a query of PostgreSQL or SQLite, read through ADBC: the driver makes arrow batches, without a Python
object per value.

`postgresql+adbc://reader@host/database` and `sqlite+adbc:///path`, with the settings and rules of `sql.py`: opened so
that nothing can be written, and with `source.high_water_column` only from the highest value on. Not covered: types that
the driver does not translate (an error: select them as text), and other databases than these two.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.parse import quote as percent_encoded

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import MissingExtra, SourceError
from ft_platform.sources.arrow_strings import checked_parts
from ft_platform.sources.databases.sql import DatabaseTable
from ft_platform.sources.file_format import Opened
from ft_platform.sources.statements import (
    libpq_options,
    mark_value,
    password_of,
    select_query,
    sqlite_file,
    statement,
    unreachable,
    unreadable,
    written_mark,
)
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.source import Source

SIGN = "+adbc://"
DATABASES = ("postgresql", "sqlite")


def find(source: Source, environment: Environment) -> "AdbcTable | None":
    return AdbcTable(source) if (source.table or source.query) and SIGN in source.uri else None


class AdbcTable(DatabaseTable):
    """Read through ADBC."""

    def _count_and_highest(self, connection: Any) -> tuple[int, Any]:
        connection.execute(self._statement([], what="count(*), max({mark})"))
        return connection.fetchone()

    def _all_rows(self, connection: Any) -> Iterator[Sequence[tuple[Any, ...]]]:
        connection.execute(self._statement(["*"]))
        for batch in connection.fetch_record_batch():
            yield list(zip(*[column.to_pylist() for column in batch.columns], strict=True))

    def _batches(self, opened: Opened, mark: str | None, marks: list[str]) -> Generator[pa.RecordBatch, None, None]:
        with self._connected() as cursor:
            cursor.execute(self._statement(["*"], none=True))
            columns, chosen = self._chosen(opened, cursor.fetch_record_batch().schema.names)
            cursor.execute(self._statement(chosen, since=_literal(mark_value(mark)) if mark else ""))
            row, highest, column = 1, None, self._source.high_water_column
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
            raise unreachable(self.uri) from None
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
            path = sqlite_file(self._source, rest.removeprefix("/"))
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
