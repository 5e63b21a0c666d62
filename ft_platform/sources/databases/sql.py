"""A table or a query of a database, read through SQLAlchemy in batches. PostgreSQL and SQLite are opened so that
nothing can be written; elsewhere the account decides: give it the right to read and no other.

With `source.high_water_column` only rows from the highest value read so far on are asked for, and a change shows in
that value or in the number of rows. Not covered then: rows that are changed or deleted without either, and rows that
are committed later with a smaller value. Without the column the whole table is hashed to see whether it changed, and
read again if it did.
"""

import hashlib
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pyarrow as pa

from ft_platform.errors import MissingExtra, SourceError
from ft_platform.sources.arrow_strings import text_of
from ft_platform.sources.deadline import answered, watched
from ft_platform.sources.file_format import Opened
from ft_platform.sources.parts import Order, Piece
from ft_platform.sources.statements import (
    libpq_options,
    mark_value,
    password_of,
    require_rows,
    select_query,
    sqlite_file,
    statement,
    table_uri,
    unreachable,
    unreadable,
    written_mark,
)
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.source import Source

ROWS_AT_ONCE = 1000
DRIVERS = {"postgresql": "postgresql+psycopg"}


def find(source: Source, environment: Environment) -> "SqlTable | None":
    return SqlTable(source) if (source.table or source.query) and "+adbc://" not in source.uri else None


class DatabaseTable(ABC):
    """The rows of a table or query.

    Attributes:
        uri: URL of the database with the table's name, or a hash of the query.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.uri = table_uri(source)

    @abstractmethod
    def _connected(self) -> AbstractContextManager[Any]:
        """A connection or cursor that can only read.

        Raises:
            MissingExtra: a library or the driver is not installed.
            SourceError: the table or query cannot be read.
            TransientError: the database does not answer, or refuses the account.
        """

    @abstractmethod
    def _count_and_highest(self, connection: Any) -> tuple[int, Any]:
        """Rows, and the highest value of the high-water column."""

    @abstractmethod
    def _all_rows(self, connection: Any) -> Iterator[Sequence[tuple[Any, ...]]]:
        """Every row, in parts."""

    @abstractmethod
    def _batches(self, opened: Opened, mark: str | None, marks: list[str]) -> Generator[pa.RecordBatch, None, None]: ...

    def sha256(self) -> str:
        """Changes with the rows; with a high-water column, with its highest value or the number of rows."""
        return answered(self.uri, self._source.limits.silent_seconds, self._hashed)

    def _hashed(self) -> Generator[str, None, None]:
        """The hash, after one empty text for each part of the rows."""
        with self._connected() as connection:
            if self._source.high_water_column:
                count, highest = self._count_and_highest(connection)
                yield hashlib.sha256(json.dumps([count, written_mark(self.uri, highest)]).encode()).hexdigest()
                return
            total = rows = 0
            for some in self._all_rows(connection):
                for row in some:  # a sum does not depend on the order, which a database does not promise
                    total += int.from_bytes(hashlib.sha256(repr(row).encode("utf-8", "surrogatepass")).digest(), "big")
                rows += len(some)
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
        """The mapped columns of `opened`, as strings.

        Args:
            mark: only rows from this value of the high-water column on.
            marks: the highest value that was read is added to it.

        Raises:
            MissingExtra, SourceError, TransientError: as `_connected` says, or the database stops answering.
        """
        found = marks if marks is not None else []
        return watched(self.uri, self._source.limits.silent_seconds, lambda: self._batches(opened, mark, found))

    def _chosen(self, opened: Opened, names: list[str]) -> tuple[list[str], list[str]]:
        """The mapped columns, and all columns to ask for: these and that of the high-water mark."""
        columns = opened.require(names)
        mark = self._source.high_water_column
        if mark and mark not in names:
            raise SourceError(f"{self.uri} has no column {mark!r}", "Correct source.high_water_column")
        return columns, [*columns, mark] if mark and mark not in columns else columns


class SqlTable(DatabaseTable):
    """Read through SQLAlchemy."""

    def _count_and_highest(self, connection: Any) -> tuple[int, Any]:
        return tuple(connection.execute(self._select([], what="count(*), max({mark})")).one())

    def _all_rows(self, connection: Any) -> Iterator[Sequence[tuple[Any, ...]]]:
        for some in connection.execute(self._select(["*"])).partitions(ROWS_AT_ONCE):
            yield [tuple(row) for row in some]

    def _batches(self, opened: Opened, mark: str | None, marks: list[str]) -> Generator[pa.RecordBatch, None, None]:
        with self._connected() as connection:
            columns, chosen = self._chosen(opened, list(connection.execute(self._select(["*"], none=True)).keys()))
            since = {"since": mark_value(mark)} if mark else {}
            result = connection.execute(self._select(chosen, since=mark is not None), since)
            place = chosen.index(column) if (column := self._source.high_water_column) else None
            yield from opened.batches(columns, self._rows(opened, result, len(columns), place, marks))

    def _rows(
        self, opened: Opened, result: Any, width: int, place: int | None, marks: list[str]
    ) -> Iterator[list[str | None]]:
        """The first `width` values of each row as text; the highest value at `place` goes to `marks`."""
        highest = None
        for some in result.partitions(ROWS_AT_ONCE):
            for row in some:
                if place is not None and row[place] is not None:
                    highest = row[place] if highest is None else self._higher(highest, row[place])
                try:
                    yield [text_of(opened, value) for value in row[:width]]
                except UnicodeDecodeError:
                    raise SourceError(
                        f"{self.uri}: a value contains bytes that are not UTF-8",
                        "Select it as text, or leave the column out",
                    ) from None
        if highest is not None:
            marks.append(written_mark(self.uri, highest) or "")

    def _higher(self, one: Any, other: Any) -> Any:
        try:
            return max(one, other)
        except TypeError:
            raise SourceError(
                f"{self.uri}: the high-water column has values of several types",
                "Name a column with times, dates or numbers",
            ) from None

    def _select(self, columns: list[str], *, what: str = "", since: bool = False, none: bool = False) -> Any:
        """The statement; names are quoted as the database has it.

        Args:
            columns: `*` or names.
            what: other expressions in their place, with `{mark}` for the high-water column.
            since: only rows from parameter `since` on.
            none: no row, for the names only.
        """
        import sqlalchemy as sa

        quote = self._engine().dialect.identifier_preparer.quote
        query = re.sub(
            r"(?<!:):(?=\w)", r"\\:", select_query(self._source)
        )  # a colon in a text of the query is no parameter
        return sa.text(
            statement(self._source, query, quote, columns, what=what, since=":since" if since else "", none=none)
        )

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        import sqlalchemy as sa

        engine = self._engine()
        try:
            options: dict[str, Any] = {"postgresql_readonly": True} if engine.dialect.name == "postgresql" else {}
            with engine.connect().execution_options(
                stream_results=True, max_row_buffer=ROWS_AT_ONCE, **options
            ) as connection:
                yield connection
        except sa.exc.OperationalError:
            if engine.dialect.name == "sqlite" and os.path.exists(self._source.uri.removeprefix("sqlite:///")):
                raise unreadable(self.uri) from None
            raise unreachable(self.uri) from None
        except sa.exc.SQLAlchemyError:
            raise unreadable(self.uri) from None
        finally:
            engine.dispose()

    def _engine(self) -> Any:
        try:
            import sqlalchemy as sa
        except ImportError:
            raise MissingExtra("SQLAlchemy, which reads databases,", extra="sql") from None
        try:
            url = sa.make_url(self._source.uri)
        except sa.exc.ArgumentError:
            raise SourceError(
                "source.uri is not the URL of a database", "Use one such as postgresql://reader@host/database"
            ) from None
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername), password=password_of(self._source))
        options: dict[str, Any] = (
            {"connect_args": libpq_options(self._source)} if url.drivername == "postgresql+psycopg" else {}
        )
        if url.drivername == "sqlite":
            path = sqlite_file(self._source, url.database or "")
            url = url.set(database=f"file:{path}", query={"mode": "ro", "uri": "true"})
        try:
            return sa.create_engine(url, poolclass=sa.NullPool, **options)
        except (ImportError, sa.exc.NoSuchModuleError):
            raise MissingExtra(f"the driver of {url.drivername}", extra="sql") from None
