"""Looks for planted values in everything that lies outside the restricted zone and the vault, unpacked and decoded."""

import gzip
import io
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq

PRIVATE = ("restricted", "vault")


def readable(folder: Path, besides: Iterable[Path] = ()) -> dict[str, bytes]:
    """What everybody who may read the rest of the folder can see: file -> its name and content, unpacked and decoded.

    Args:
        besides: folders that are left out, e.g. that of the source.
    """
    found = {}
    for file in sorted(folder.rglob("*")):
        inner = file.relative_to(folder)
        if (
            file.is_file()
            and not any(part in PRIVATE for part in inner.parts)
            and not any(other in file.parents for other in besides)
        ):
            found[str(inner)] = b"\n".join([str(inner).encode(), *_contents(file.read_bytes(), file)])
    return found


def places_of(secret: str, contents: Mapping[str, bytes]) -> list[str]:
    """The files in which a value stands: as it is, as in JSON, or as in a URL."""
    forms = {secret.encode(), json.dumps(secret)[1:-1].encode(), quote(secret).encode()}
    return [place for place, content in contents.items() if any(form in content for form in forms)]


def _contents(content: bytes, file: Path | None = None) -> Iterator[bytes]:
    yield content
    if content.startswith(b"SQLite format 3\0") and file is not None:
        yield from _cells(file)
    elif content.startswith(b"PAR1"):
        yield repr(pq.read_table(io.BytesIO(content)).to_pylist()).encode()
    elif content.startswith(b"\x1f\x8b"):
        yield from _contents(gzip.decompress(content))
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from _contents(archive.read(name))
    elif content[:1] == b"\x78":
        try:
            yield zlib.decompress(content)
        except zlib.error:
            return


def _cells(file: Path) -> Iterator[bytes]:
    """Every cell of every table: on the disk a long one lies in pieces, and Dagster compresses snapshots."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in database.execute(f'SELECT * FROM "{table}"'):
                for cell in row:
                    if isinstance(cell, str | bytes):
                        yield from _contents(cell.encode() if isinstance(cell, str) else cell)
