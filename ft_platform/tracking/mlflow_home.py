"""Places of files in the database of MLflow that an installation keeps itself.

MLflow knows places only as absolute ones. A home that was restored, moved or copied has a database with the places of
the home that it came from: they are made its own before anything is written to them or deleted there."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

ARTIFACTS = "mlflow-artifacts"
HERE = ("", "file", "runs", "models")
"""Schemes of places that are, or lead to, a folder of this machine."""
PLACES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""Table -> columns with places; those of versions of models are paths, the others are URIs."""


def folder_of(uri: str) -> Path | None:
    """Folder below which the files of a store on this machine lie; None: it is a server."""
    if uri.startswith("sqlite:///"):
        return Path(uri.removeprefix("sqlite:///").partition("?")[0]).parent.absolute()
    parts = urlsplit(uri)
    return Path(url2pathname(parts.path)).absolute() if parts.scheme in ("", "file") and parts.path else None


def is_own_place(place: str, uri: str) -> bool:
    """Whether a store may name this place for files: one elsewhere, or a folder below its own."""
    parts = urlsplit(place)
    if parts.scheme not in HERE:
        return True
    own = folder_of(uri)
    path = Path(url2pathname(parts.path))
    return own is not None and parts.scheme in ("", "file") and path.resolve().is_relative_to(own.resolve())


def bring_home(uri: str) -> None:
    """Makes the places in a database those of the folder in which it lies now.

    Raises:
        sqlite3.Error: it cannot be read or written.
    """
    folder, database = folder_of(uri), uri.removeprefix("sqlite:///").partition("?")[0]
    if not uri.startswith("sqlite:///") or folder is None or not Path(database).is_file():
        return
    here = (folder / ARTIFACTS).as_uri()
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        if not connection.execute("select 1 from sqlite_master where name = 'experiments'").fetchone():
            return
        places = connection.execute("select name, artifact_location from experiments").fetchall()
        for name, place in places:
            before, _, last = (place or "").rpartition("/")
            if last == quote(name) and before.endswith(f"/{ARTIFACTS}") and before != here:
                _move(connection, before, here)


def _move(connection: sqlite3.Connection, before: str, now: str) -> None:
    for table, columns in PLACES.items():
        for column in columns:
            for old, new in ((before, now), (_path(before), _path(now))):
                connection.execute(
                    f"update {table} set {column} = ? || substr({column}, ?) where substr({column}, 1, ?) = ?",
                    (new, len(old) + 1, len(old) + 1, f"{old}/"),
                )


def _path(uri: str) -> str:
    return unquote(urlsplit(uri).path)
