"""Reads what is new in a source: files that were not read before, and of them the rows that are not known."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.process.progress import report
from ft_platform.records.schemas import raw_schema
from ft_platform.sources.budget import Budget
from ft_platform.sources.digests import text_digests, to_hex
from ft_platform.sources.discovery import Found, find_parts, hashes
from ft_platform.sources.file_format import OpenFile
from ft_platform.sources.known_records import KnownRecords
from ft_platform.sources.mapping import MappedRows, map_batch
from ft_platform.sources.parts import Order, Part, Piece
from ft_platform.sources.record_ids import RecordIds
from ft_platform.sources.repeated_keys import Keys
from ft_platform.sources.text_encoding import FoundEncoding
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

SHOWN_PROBLEMS = 4
"""Files whose problems a message tells, a line each."""


@dataclass
class _Reading:
    """State while the parts of a source are read."""

    use_case: NamedUseCase
    ids: RecordIds
    ingested_at: datetime
    order: Order
    keys: Keys = field(default_factory=Keys)
    rows_read: int = 0
    rows_new: int = 0
    encodings: list[FoundEncoding] = field(default_factory=list)
    without_checksum: int = 0
    absent: list[frozenset[str]] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)
    problems: list[SourceError] = field(default_factory=list)


@dataclass
class Ingest:
    """What is new in a source. Nothing is read before `batches` is.

    Attributes:
        files: URI -> hash of every file or table the source means now, read or not.
        unchanged: there is nothing to read, and nothing vanished.
        whole: everything is read, also what is known: rows that are known but not among `present` have vanished.
        batches: new rows, in `raw_schema`, lazily and once; raises at its end what was wrong with the files, all of it.
        counts: complete once `batches` is used up: files, files_new, files_changed, files_unchanged, files_ignored (in
            folders and in the archives that were read), files_without_checksum (Parquet pages that have none);
            rows_read, rows_new, rows_known; `encodings` of the text files (see `encodings_of`) and `columns_absent`
            (optional columns that no file read now has).
        marks: URI of a table -> highest value of its high-water column, once `batches` is used up.
    """

    files: dict[str, str]
    unchanged: bool
    whole: bool
    batches: Iterator[pa.RecordBatch]
    counts: dict[str, Any]
    marks: dict[str, str]
    _ids: RecordIds
    _schema: pa.Schema

    @cached_property
    def records(self) -> pa.Table:
        """All new rows in memory: for small sources and tests."""
        return pa.Table.from_batches(list(self.batches), schema=self._schema)

    @cached_property
    def present(self) -> np.ndarray:
        """Where `whole`: ids of all rows that the source has, ascending; complete once `batches` is used up."""
        return self._ids.all_given()


def read_new_records(
    use_case: NamedUseCase,
    environment: Environment,
    known_files: Mapping[str, str],
    known: KnownRecords | Callable[[], KnownRecords] | None,
    ingested_at: datetime,
    folder: Path | None = None,
    known_marks: Mapping[str, str] | None = None,
) -> Ingest:
    """Rows of the source that are not known yet. Files and tables whose hash is known are not read, unless vanished
    rows are looked for.

    Args:
        known_files: URI -> hash of the files and tables as they were read last.
        known: what is in `raw_records` already, or what loads it; called only if there is something to read.
        folder: private folder for copies and for what is unpacked. Default: one in the system's temporary folder.
        known_marks: URI of a table -> highest value of its high-water column when it was read last.

    Raises:
        SourceError: the source is missing or not allowed; `Ingest.batches` raises it for files that cannot be read as
            they should.
        TransientError: the object store or database does not answer.
    """
    found = find_parts(use_case.settings.source, environment)
    files = hashes(found.parts)
    whole = use_case.settings.source.vanished_rows == "remove" and any(
        files.get(uri) != sha256 for uri, sha256 in known_files.items()
    )
    to_read = [part for part in found.parts if whole or known_files.get(part.uri) != files[part.uri]]
    counts: dict[str, Any] = {}
    marks: dict[str, str] = {}
    ids = RecordIds(use_case.name, keep_all=whole)

    def batches() -> Iterator[pa.RecordBatch]:
        with ExitStack() as stack:
            private = folder or Path(stack.enter_context(TemporaryDirectory(prefix="ft-source-")))
            settings = use_case.settings
            before = known() if callable(known) and to_read else known
            ids.start(before if isinstance(before, KnownRecords) else KnownRecords.none())
            order = Order(settings.source, settings.record, private, Budget(settings.source.limits))
            reading = _Reading(use_case, ids, ingested_at, order)
            for part in to_read:
                reading.order = replace(order, mark=(known_marks or {}).get(part.uri))
                yield from _new_rows(reading, part, files[part.uri])
            _raise_problems(reading)
            marks.update(reading.marks)
            counts.update(_counts(reading, found, known_files, files))

    return Ingest(files, not to_read and not whole, whole, batches(), counts, marks, ids, raw_schema(use_case))


def records_in(use_case: NamedUseCase, rows: pa.Table, name: str, ingested_at: datetime) -> pa.Table:
    """Rows that were looked at (`sources.looking`) as the records that `read_new_records` would make of them.

    Raises:
        SourceError: rows without an id, with a repeated one, or that are no conversations.
    """
    settings = use_case.settings
    order = Order(settings.source, settings.record, Path(), Budget(settings.source.limits))
    reading = _Reading(use_case, RecordIds(use_case.name), ingested_at, order)
    reading.keys.start_file(name)
    batches = [_new_records(reading, batch, name, "", 1) for batch in rows.combine_chunks().to_batches()]
    _raise_problems(reading)
    return pa.Table.from_batches(batches, schema=raw_schema(use_case))


def _raise_problems(reading: _Reading) -> None:
    if not reading.problems and (repeated := reading.keys.error(reading.use_case.settings.record.id)):
        raise repeated
    if reading.problems:
        more = len(reading.problems) - SHOWN_PROBLEMS
        lines = [
            *map(str, reading.problems[:SHOWN_PROBLEMS]),
            *([f"And {more} more files. Repair these first, then run again"] if more > 0 else []),
        ]
        raise reading.problems[0] if len(reading.problems) == 1 else SourceError("\n".join(lines))


def _new_rows(reading: _Reading, part: Part, sha256: str) -> Iterator[pa.RecordBatch]:
    """New rows of a file or table. Its problem is noted; from then on the others are only checked."""
    try:
        reading.ids.start_file()
        before = reading.rows_read
        for piece in part.pieces(sha256, reading.order):
            for batch in _read_piece(reading, part, piece, sha256):
                if batch.num_rows and not reading.problems:
                    reading.rows_new += batch.num_rows
                    yield batch
        if reading.rows_read == before and reading.order.mark is None:
            raise SourceError(f"{part.uri} has no data row", "Export it again, or take it out of the source")
    except SourceError as error:
        reading.problems.append(error)


def _read_piece(reading: _Reading, part: Part, piece: Piece, sha256: str) -> Iterator[pa.RecordBatch]:
    opened = piece.opened
    reading.keys.start_file(opened.name)
    before = reading.rows_read
    for batch in piece.batches:
        yield _new_records(reading, batch, opened.name, sha256, reading.rows_read - before + 1)
    if piece.encoding:
        reading.encodings.append(piece.encoding)
    if piece.marks:
        reading.marks[part.uri] = piece.marks[-1]
    reading.without_checksum += isinstance(opened, OpenFile) and opened.without_checksum
    reading.absent.append(frozenset(opened.absent))


def _new_records(reading: _Reading, batch: pa.RecordBatch, uri: str, sha256: str, first_row: int) -> pa.RecordBatch:
    """The rows of a batch that are not known, as records."""
    rows = map_batch(reading.use_case, batch, uri, first_row)
    keys = None if rows.keys is None else text_digests(rows.keys)
    if keys is not None:
        reading.keys.add(keys)
    ids, new = reading.ids.of(rows, keys)
    reading.rows_read += len(rows)
    report("raw_records", reading.rows_read, None, "rows")
    return _to_arrow(reading, rows, ids, first_row, uri, sha256).filter(pa.array(new))


def _to_arrow(
    reading: _Reading, rows: MappedRows, ids: np.ndarray, first_row: int, uri: str, sha256: str
) -> pa.RecordBatch:
    schema = raw_schema(reading.use_case)
    columns = {
        **rows.fields,
        "record_id": to_hex(ids),
        "source_key": rows.keys if rows.keys is not None else pa.nulls(len(rows), pa.string()),
        "source_uri": pa.repeat(pa.scalar(uri), len(rows)),
        "source_position": pa.array(np.arange(first_row, first_row + len(rows))),
        "source_hash": pa.repeat(pa.scalar(sha256), len(rows)),
        "ingested_at": pa.repeat(pa.scalar(reading.ingested_at, schema.field("ingested_at").type), len(rows)),
        "messages": rows.messages,
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def encodings_of(found: Iterable[FoundEncoding]) -> list[dict[str, Any]]:
    """Of each encoding, by how it is known: files, characters beyond ASCII that this rests on, certainty of the least
    certain file. No names of files."""
    groups: dict[tuple[str, str], list[FoundEncoding]] = {}
    for one in found:
        groups.setdefault((one.name, one.how), []).append(one)
    return [
        {
            "encoding": name,
            "how": how,
            "files": len(some),
            "beyond_ascii": sum(one.beyond_ascii for one in some),
            "certainty": min(one.certainty for one in some),
        }
        for (name, how), some in sorted(groups.items())
    ]


def joined_encodings(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What `encodings_of` says of the files of two readings."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in [*before, *now]:
        other = found.setdefault((one["encoding"], one["how"]), {**one, "files": 0, "beyond_ascii": 0})
        other |= {name: other[name] + one[name] for name in ("files", "beyond_ascii")} | {
            "certainty": min(other["certainty"], one["certainty"])
        }
    return [found[key] for key in sorted(found)]


def _counts(
    reading: _Reading, found: Found, known_files: Mapping[str, str], files: Mapping[str, str]
) -> dict[str, Any]:
    changed = sum(part.uri in known_files and known_files[part.uri] != files[part.uri] for part in found.parts)
    unchanged = sum(known_files.get(uri) == sha256 for uri, sha256 in files.items())
    absent = frozenset.intersection(*reading.absent) if reading.absent else frozenset()
    return {
        "files": len(found.parts),
        "files_new": len(found.parts) - changed - unchanged,
        "files_changed": changed,
        "files_unchanged": unchanged,
        "files_ignored": found.ignored + reading.order.budget.members_ignored,
        "files_without_checksum": reading.without_checksum,
        "rows_read": reading.rows_read,
        "rows_new": reading.rows_new,
        "rows_known": reading.rows_read - reading.rows_new,
        "encodings": encodings_of(reading.encodings),
        "columns_absent": sorted(absent),
    }
