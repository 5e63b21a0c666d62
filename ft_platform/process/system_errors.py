"""What the operating system and sqlite refuse, in words: full disks, missing permissions, damaged databases. Nothing of
a record is in their messages."""

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ft_platform.errors import DiskFull, FtError, NotWritable, StateDamaged

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
LOCKED = ("database is locked", "database table is locked")
READ_ONLY = ("readonly database", "unable to open database file")
DAMAGED = ("not a database", "malformed", "disk I/O error", "no such table", "no such column")
"""Parts of messages of sqlite (`sqlite3_errstr`)."""


def in_words(error: BaseException, folder: Path) -> FtError | None:
    """A full disk, a refused write or a damaged database of the installation in `folder` as an error that says what to
    do; None for anything else."""
    for one in chain(error):
        if isinstance(one, OSError):
            where = one.filename if isinstance(one.filename, str) else str(folder)
            if one.errno in FULL:
                return DiskFull(f"no space is left on the disk of {where}", "Free some space and run it again")
            if one.errno in REFUSED:
                return NotWritable(
                    f"{where} cannot be used: {one.strerror}",
                    "Give this user the right to it, or set FT_HOME to a folder of your own",
                )
            if one.errno in IN_THE_WAY:
                return NotWritable(
                    f"{where} cannot be used: {one.strerror}", "Move it away, or set FT_HOME to another folder"
                )
        if isinstance(one, sqlite3.Error) and (found := _of_sqlite(str(one), folder)):
            return found
    return None


def _of_sqlite(message: str, folder: Path) -> FtError | None:
    if "full" in message:
        return DiskFull(
            f"no space is left on the disk of {folder}, where Dagster keeps its runs",
            "Free some space and run it again",
        )
    if any(part in message for part in READ_ONLY):
        return NotWritable(
            f"the databases in {folder} cannot be written: {message}",
            "Give this user the right to it, or set FT_HOME to a folder of your own",
        )
    if any(part in message for part in LOCKED):
        return NotWritable(
            f"another process keeps a database in {folder} locked", "Wait for it to end, and run it again"
        )
    if any(part in message for part in DAMAGED):
        damaged = damaged_database(folder)
        return StateDamaged(
            f"{damaged or f'a database in {folder}'} is damaged: {message}. It holds Dagster's history of runs; the"
            " lake is not touched",
            "Put a backup in its place, or move it away: a new one is made, without that history",
        )
    return None


def damaged_database(folder: Path) -> Path | None:
    """The first database of Dagster below a folder that sqlite cannot read."""
    for path in sorted(folder.rglob("*.db")):
        try:
            found = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                if found.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                    return path
            finally:
                found.close()
        except sqlite3.Error:
            return path
    return None


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it was raised from, also where a library keeps them as `orig`."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        original = getattr(one, "orig", None)  # sqlalchemy
        waiting += [original if isinstance(original, BaseException) else None, one.__cause__, one.__context__]
