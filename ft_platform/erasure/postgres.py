"""Takes words out of a database of Dagster or MLflow in PostgreSQL, row by row, then has the tables written anew.

Covered: columns of text, JSON and bytes in every table of the schemas that the account sees, packed cells among them.
Not covered: the write-ahead log, replicas and backups of the server, which keep what was there until they are recycled;
what other accounts keep there."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ft_platform.erasure.dagster_places import with_driver
from ft_platform.erasure.databases import mended_cell, quoted
from ft_platform.erasure.needles import CELL, Needles
from ft_platform.erasure.unpacking import ZLIB
from ft_platform.errors import MissingExtra, TransientError

ROWS = 500
LOCK_SECONDS = 60
COLUMNS = """
    SELECT n.nspname, c.relname, a.attname, t.typname
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND t.typname IN ('text', 'varchar', 'bpchar', 'bytea', 'json', 'jsonb')
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
    ORDER BY 1, 2, a.attnum
"""


@dataclass
class Table:
    """A table with the columns that may hold a word: name -> type."""

    schema: str
    name: str
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def quoted(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"


def place_of(address: str) -> str:
    """The database without user and password."""
    parts = urlsplit(address)
    return f"PostgreSQL at {parts.hostname}:{parts.port or 5432}{parts.path}"


def mend_postgres(
    address: str, needles: Needles, waiting: Collection[str] = (), keep: Callable[[list[str]], None] = lambda _: None
) -> dict[str, Any]:
    """Takes words out of a database.

    Args:
        waiting: tables that were changed before, perhaps by a process that was killed, and not written anew.
        keep: called with all such tables before one is changed: afterwards nobody could tell that it was.

    Returns:
        `{"rows", "not_rewritten"}`: rows that were changed, and tables that PostgreSQL did not write anew at once:
        their unused space still holds the earlier rows.

    Raises:
        TransientError: it does not answer.
    """
    rows, changed = 0, set(waiting)
    with _connected(address) as engine:
        for table in _tables(engine):
            found = [one for one in _rows(engine, table) if _bytes_of(one[1], needles)]
            if found:
                changed.add(table.quoted)
                keep(sorted(changed))
                rows += _mend_rows(engine, table, found, needles)
        left = [name for name in sorted(changed) if not _written_anew(engine, name)]
    return {"rows": rows, "not_rewritten": left}


def count_in_postgres(address: str, needles: Needles) -> dict[str, int]:
    """Table -> bytes that are found in its rows; of tables that have any."""
    found: dict[str, int] = {}
    with _connected(address) as engine:
        for table in _tables(engine):
            count = sum(_bytes_of(cells, needles) for _, cells in _rows(engine, table))
            if count:
                found[f"{place_of(address)}: {table.schema}.{table.name}"] = count
    return found


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    try:
        import sqlalchemy
    except ImportError:
        raise MissingExtra("sqlalchemy", "postgres") from None
    options = {"connect_timeout": 15}
    engine = sqlalchemy.create_engine(with_driver(address), connect_args=options, poolclass=sqlalchemy.NullPool)
    try:
        yield engine
    except sqlalchemy.exc.OperationalError as error:
        problem = f"{place_of(address)} does not answer ({type(error.orig).__name__})"
        raise TransientError(problem, "Start it, then go on") from None
    except ModuleNotFoundError:
        raise MissingExtra("a driver of PostgreSQL", "postgres") from None
    finally:
        engine.dispose()


def _tables(engine: Any) -> list[Table]:
    found: dict[tuple[str, str], Table] = {}
    with engine.connect() as connection:
        for schema, table, column, kind in connection.exec_driver_sql(COLUMNS.replace("%", "%%")):
            found.setdefault((schema, table), Table(schema, table)).columns[column] = kind
    return list(found.values())


def _rows(engine: Any, table: Table) -> Iterator[tuple[str, list[bytes | None]]]:
    """Place and cells of each row, read piece by piece."""
    asked = ", ".join(_asked(name, kind) for name, kind in table.columns.items())
    with engine.connect().execution_options(stream_results=True, yield_per=ROWS) as connection:
        for place, *cells in connection.exec_driver_sql(f"SELECT ctid::text, {asked} FROM {table.quoted}"):
            yield place, [_as_bytes(cell) for cell in cells]


def _asked(name: str, kind: str) -> str:
    column = quoted(name).replace("%", "%%")
    return column if kind == "bytea" else f"{column}::text"


def _as_bytes(cell: Any) -> bytes | None:
    return cell.encode("utf-8", "surrogatepass") if isinstance(cell, str) else None if cell is None else bytes(cell)


def _bytes_of(cells: list[bytes | None], needles: Needles) -> int:
    found = needles.count(CELL + CELL.join(cell or b"" for cell in cells) + CELL)
    packed = [cell for cell in cells if cell and cell[:2] in ZLIB]
    return found + sum(1 for cell in packed if mended_cell(cell, needles) != cell)


def _mend_rows(engine: Any, table: Table, found: list[tuple[str, list[bytes | None]]], needles: Needles) -> int:
    import sqlalchemy

    changed = 0
    kinds = list(table.columns.items())
    for place, cells in found:
        sets: list[str] = []
        values: dict[str, str | bytes] = {"place": place}
        for (name, kind), cell in zip(kinds, cells, strict=True):
            new = mended_cell(cell, needles) if cell else cell
            if new != cell and new is not None:
                values[f"v{len(sets)}"] = new if kind == "bytea" else new.decode()
                sets.append(f"{quoted(name)} = CAST(:v{len(sets)} AS {kind})")
        where = f"FROM {table.quoted} WHERE ctid = CAST(:place AS tid)"
        update = f"UPDATE {table.quoted} SET {', '.join(sets)} WHERE ctid = CAST(:place AS tid)"
        with engine.connect() as connection:
            try:
                changed += connection.execute(sqlalchemy.text(update), values).rowcount
                connection.commit()
            except sqlalchemy.exc.IntegrityError:  # the same row stands there
                connection.rollback()
                changed += connection.execute(sqlalchemy.text(f"DELETE {where}"), {"place": place}).rowcount
                connection.commit()
    return changed


def _written_anew(engine: Any, table: str) -> bool:
    """Whether PostgreSQL wrote a table anew, which needs it for itself for a moment."""
    import sqlalchemy

    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        try:
            connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_SECONDS}s'")
            connection.exec_driver_sql(f"VACUUM (FULL) {table}")
        except sqlalchemy.exc.DBAPIError:
            return False
    return True
