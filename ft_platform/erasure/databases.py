"""Takes words out of databases of Dagster and MLflow in SQLite: cell by cell, then every page is written anew.

Something else stands in place of a word, so an event, a run or a tag stays what it is, and the pages that show it still
load it. Two rows that would become the same one become one. Covered: cells of any table, those packed with zlib, what
older rows left in unused pages, and the write-ahead log. Not covered: columns that hold numbers only, tables without
row ids (Dagster and MLflow have none)."""

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from ft_platform.erasure.needles import CELL, Needles
from ft_platform.erasure.unpacking import SQLITE, ZLIB, bytes_in_file
from ft_platform.errors import TransientError

WAIT_SECONDS = 30.0
BESIDE = ("-wal", "-journal")


class _Text(bytes):
    """A cell that is text, as it lies there."""


def databases_in(folders: list[Path]) -> Iterator[Path]:
    """SQLite databases below some folders."""
    for folder in folders:
        for path in sorted(folder.rglob("*.db")):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    if file.read(len(SQLITE)) == SQLITE:
                        yield path


def holds(path: Path, needles: Needles) -> bool:
    """Whether anything is found in a database, as it lies there or in its cells."""
    for one in (path, *(path.with_name(path.name + ending) for ending in BESIDE)):
        if one.is_file():
            with one.open("rb") as file:
                if bytes_in_file(file, needles)[0]:
                    return True
    return False


def mend_database(path: Path, needles: Needles) -> int:
    """Takes words out of a database. Killed anywhere, doing it again ends it.

    Returns:
        Rows that were changed.

    Raises:
        TransientError: another process holds it.
    """
    try:
        with closing(sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)) as database:
            database.text_factory = _Text
            database.execute("PRAGMA secure_delete = ON")
            database.execute("BEGIN IMMEDIATE")
            changed = sum(_mend_table(database, name, needles) for name in _tables(database))
            database.execute("COMMIT")
            database.execute("VACUUM")
            busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if "locked" not in str(error) and "busy" not in str(error):
            raise
        busy = 1
    if busy:
        raise TransientError(
            f"another process holds {path}", "Wait until its runs have ended, or stop Dagster, then go on"
        )
    return changed


def _tables(database: sqlite3.Connection) -> list[str]:
    asked = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    return [row[0].decode() for row in database.execute(asked)]


def _mend_table(database: sqlite3.Connection, table: str, needles: Needles) -> int:
    name = quoted(table)
    columns = [row[1].decode() for row in database.execute(f"PRAGMA table_info({name})")]
    found = [
        (row[0], new)
        for row in database.execute(f"SELECT rowid, * FROM {name}")
        if (new := {columns[n]: cell for n, cell in mended_cells(row[1:], needles)})
    ]
    for rowid, new in found:
        values = [_plain(cell) for cell in new.values()]
        sets = ", ".join(
            f"{quoted(column)} = {'CAST(? AS TEXT)' if isinstance(cell, _Text) else '?'}"
            for column, cell in new.items()
        )
        try:
            database.execute(f"UPDATE {name} SET {sets} WHERE rowid = ?", [*values, rowid])
        except sqlite3.IntegrityError:  # the same row stands there
            database.execute(f"DELETE FROM {name} WHERE rowid = ?", [rowid])
    return len(found)


def mended_cells(cells: tuple[Any, ...], needles: Needles) -> Iterator[tuple[int, Any]]:
    """Place and new content of each cell that holds something; of the same type."""
    joined = CELL + CELL.join(bytes(cell) if isinstance(cell, bytes) else b"" for cell in cells) + CELL
    packed = any(isinstance(cell, bytes) and cell[:2] in ZLIB for cell in cells)
    if not packed and not needles.count(joined):
        return
    for place, cell in enumerate(cells):
        if isinstance(cell, bytes):
            new = mended_cell(cell, needles)
            if new != cell:
                yield place, type(cell)(new)


def mended_cell(cell: bytes, needles: Needles) -> bytes:
    """A cell with something else in place of each word."""
    if cell[:2] in ZLIB:
        try:
            plain = zlib.decompress(cell)
        except zlib.error:
            pass
        else:
            left = needles.without_in_cell(plain)
            return cell if left == plain else zlib.compress(left)
    return needles.without_in_cell(bytes(cell))


def _plain(cell: Any) -> Any:
    return bytes(cell) if isinstance(cell, bytes) else cell


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
