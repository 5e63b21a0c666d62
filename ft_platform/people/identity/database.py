"""The file that remembers, over restarts and for all web servers of an installation, who is signed in, who has to wait
and what was used once."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

TABLES = """
create table if not exists sessions(id text primary key, name text not null, groups text not null, known_by text not
    null, epoch text not null, subject text not null, provider_session text not null, started real not null, seen real
    not null);
create table if not exists waits(who text primary key, failures integer not null, until real not null);
create table if not exists once(what text primary key, value text not null, until real not null);
"""
PATIENCE_SECONDS = 10


class Database:
    """A SQLite file with mode 0600 in a folder with mode 0700."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sign_in.sqlite"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        with self.changing() as connection:
            for statement in TABLES.split(";"):
                connection.execute(statement)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, PATIENCE_SECONDS, isolation_level=None)) as connection:
            yield connection

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """One after the other; what the block changes is kept if it does not raise."""
        with self.reading() as connection:
            connection.execute("begin immediate")
            try:
                yield connection
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")
