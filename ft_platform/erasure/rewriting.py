"""Writes a Parquet file anew without the rows of a person, and the log of its Delta table accordingly.

A file keeps its name, so every version of the table stays readable, and holds what it held but for these rows. The log
loses the statistics of the file, whose smallest and largest values may be the person's. Nothing is vacuumed, so a
writer beside loses nothing: it only ever adds files. Not covered: earlier versions of objects in a bucket that keeps
them, and backups.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.erasure.selecting import Selection
from ft_platform.lake.content_hash import ContentHash, minus
from ft_platform.lake.files import fsync_path, write_bytes
from ft_platform.lake.places import Places
from ft_platform.lake.tables import ROW_GROUP_ROWS
from ft_platform.records.columns import PROVENANCE

UNFINISHED = ".erasing"
"""Ending of a file that is written and not yet in its place."""
LOG = "_delta_log"


@dataclass(frozen=True)
class Change:
    """A file that was written anew.

    Attributes:
        file: its name in the folder.
        rows: how many are gone.
        repaired: rows of others that lost words.
        state: of the hash of what is gone, less what came in its place.
        before, after: sha256 of the file.
        size, left: bytes and rows that it has now.
    """

    file: str
    rows: int
    repaired: int
    state: str
    before: str
    after: str
    size: int
    left: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def parquet_files(lake: Places, folder: str) -> list[str]:
    """The files with rows in the folder of a table, whether or not a version names them."""
    lake.fs.invalidate_cache()
    if not lake.fs.exists(folder):
        return []
    return sorted(path for path in lake.fs.find(folder) if path.endswith(".parquet") and f"/{LOG}/" not in path)


def remove_unfinished(lake: Places, folder: str) -> None:
    """Removes what a killed erasure was writing."""
    for path in lake.fs.find(folder) if lake.fs.exists(folder) else []:
        if path.endswith(UNFINISHED):
            lake.fs.rm_file(path)


@contextmanager
def rewritten(lake: Places, path: str, selection: Selection) -> Iterator[Change | None]:
    """Writes what is left of a file beside it; after the block it takes its place. None: nothing is taken out."""
    with lake.fs.open(path, "rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
        asked = asked_columns(file, selection)
        holds = asked != [] and any(_changed(batch, selection) for batch in file.iter_batches(columns=asked))
    if not holds:
        yield None
        return
    with _beside(lake, path) as target:
        before, after, counts = ContentHash(PROVENANCE), ContentHash(PROVENANCE), {"rows": 0, "repaired": 0, "left": 0}
        with (
            lake.fs.open(path, "rb") as stream,
            pq.ParquetFile(stream, pre_buffer=False) as file,
            pq.ParquetWriter(target, file.schema_arrow, compression="snappy") as writer,
        ):
            for batch in file.iter_batches(batch_size=ROW_GROUP_ROWS):
                writer.write_batch(_left(batch, selection, before, after, counts))
        change = Change(
            path.rsplit("/", 1)[-1],
            state=minus(before.state, after.state),
            before=sha256_of(lake, path),
            after=_digest(target.open("rb")),
            size=target.stat().st_size,
            **counts,
        )
        yield change
        _put(lake, target, path)


def asked_columns(file: pq.ParquetFile, selection: Selection) -> list[str] | None:
    """Columns to look at; None: all."""
    return None if selection.texts else selection.columns(file.schema_arrow.names)


def _changed(batch: pa.RecordBatch, selection: Selection) -> bool:
    return bool(selection.rows(batch).any() or selection.naming(batch).any())


def _left(
    batch: pa.RecordBatch, selection: Selection, before: ContentHash, after: ContentHash, counts: dict[str, int]
) -> pa.RecordBatch:
    gone = selection.rows(batch)
    before.add(batch.filter(pa.array(gone)))
    counts["rows"] += int(gone.sum())
    batch = batch.filter(pa.array(~gone))
    counts["left"] += batch.num_rows
    naming = selection.naming(batch)
    if not naming.any():
        return batch
    named = batch.filter(pa.array(naming))
    repaired = selection.without_texts(named)
    before.add(named)
    after.add(repaired)
    counts["repaired"] += named.num_rows
    places = np.arange(batch.num_rows)
    places[naming] = batch.num_rows + np.arange(named.num_rows)
    whole = pa.Table.from_batches([batch, repaired]).combine_chunks().take(pa.array(places))
    return whole.combine_chunks().to_batches()[0]


@contextmanager
def _beside(lake: Places, path: str) -> Iterator[Path]:
    if lake.is_local:
        target = Path(path + UNFINISHED)
        try:
            yield target
        finally:
            target.unlink(missing_ok=True)
        return
    with tempfile.TemporaryDirectory(prefix="ft-erasing-") as folder:
        yield Path(folder) / "left.parquet"


def _put(lake: Places, target: Path, path: str) -> None:
    if not lake.is_local:
        lake.fs.put_file(str(target), path)
        return
    fsync_path(target)
    os.replace(target, path)
    fsync_path(target.parent)
    lake.settle(path)


def sha256_of(lake: Places, path: str) -> str:
    return _digest(lake.fs.open(path, "rb"))


def _digest(opened: Any) -> str:
    """Of a file that was opened for it, read piece by piece."""
    with opened as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mend_log(lake: Places, folder: str, changes: Mapping[str, Change]) -> int:
    """Gives the log of a Delta table the sizes of files that were written anew, and takes their statistics out.

    Args:
        changes: name of a file -> its newest change.

    Returns:
        Files of the log that were written.
    """
    written = 0
    lake.fs.invalidate_cache()
    for path in sorted(lake.fs.find(f"{folder}/{LOG}")) if changes else []:
        content = bytes(lake.fs.cat_file(path))  # type: ignore[arg-type]
        new = content
        if path.endswith(".json") and not path.endswith("_last_checkpoint"):
            new = b"".join(_mended(line, changes) for line in content.splitlines(keepends=True))
        elif path.endswith(".parquet"):
            new = _mended_checkpoint(content, changes)
        if new != content:
            write_bytes(lake.fs, path, new)
            lake.settle(path)
            written += 1
    return written


def _mended(line: bytes, changes: Mapping[str, Change]) -> bytes:
    action = json.loads(line) if line.strip() else {}
    touched = [_mend(action[kind], changes) for kind in ("add", "remove") if action.get(kind)]
    return json.dumps(action, separators=(",", ":")).encode() + b"\n" if any(touched) else line


def _mend(file: dict[str, Any], changes: Mapping[str, Change]) -> bool:
    change = changes.get(unquote(file["path"]).rsplit("/", 1)[-1])
    if change is None:
        return False
    stats = json.dumps({"numRecords": change.left})
    before = dict(file)
    if file.get("size") is not None:
        file["size"] = change.size
    if file.get("stats") is not None:
        file["stats"] = stats
    if file.get("stats_parsed") is not None:
        file["stats_parsed"] = None
    return file != before


def _mended_checkpoint(content: bytes, changes: Mapping[str, Change]) -> bytes:
    """A checkpoint of the log, which has its actions as rows."""
    table = pq.read_table(pa.BufferReader(content))
    rows = table.to_pylist()
    touched = False
    for row in rows:
        for kind in ("add", "remove"):
            touched |= bool(row.get(kind)) and _mend(row[kind], changes)
    if not touched:
        return content
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, table.schema), sink)
    return sink.getvalue().to_pybytes()
