"""Reads what is new in a source: files that were not read before, and of them the rows that are not known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from ft_platform.environment import Environment
from ft_platform.errors import SourceError
from ft_platform.progress import report
from ft_platform.records import MESSAGES, raw_schema
from ft_platform.sources.discovery import Found, find_files, fingerprint, hashes
from ft_platform.sources.formats import SHOWN, OpenFile, format_name, formats
from ft_platform.sources.mapping import MappedRow, field_names, map_batch
from ft_platform.sources.record_ids import RecordIds
from ft_platform.sources.source_file import SourceFile
from ft_platform.sources.text_encoding import detect_encoding
from ft_platform.use_case import NamedUseCase

__all__ = ["Ingest", "fingerprint", "read_new_records"]


@dataclass(frozen=True)
class Ingest:
    """What was new.

    Attributes:
        records: new rows, in `raw_schema`.
        files: URI -> sha256 of every file the source means now, read or not.
        counts: files, files_new, files_changed, files_unchanged, files_ignored; rows_read, rows_new, rows_known;
            `encodings` (URI -> encoding) and `columns_absent` (optional columns that no file read now has).
    """

    records: pa.Table
    files: dict[str, str]
    counts: dict[str, Any]


@dataclass
class _Reading:
    """State while the files of a source are read."""

    use_case: NamedUseCase
    ids: RecordIds
    ingested_at: datetime
    keys: dict[str, tuple[str, int]] = field(default_factory=dict)
    repeated: list[tuple[str, int, str, int]] = field(default_factory=list)
    batches: list[pa.RecordBatch] = field(default_factory=list)
    rows_read: int = 0
    encodings: dict[str, str] = field(default_factory=dict)
    absent: list[frozenset[str]] = field(default_factory=list)


def read_new_records(
    use_case: NamedUseCase,
    environment: Environment,
    known_files: Mapping[str, str],
    known_ids: set[str],
    ingested_at: datetime,
    current_ids: Mapping[str, str] | None = None,
) -> Ingest:
    """Rows of the source that are not known yet. Files whose hash is known are not read.

    Args:
        known_files: URI -> sha256 of the files as they were read last.
        known_ids: record ids that are in `raw_records` already.
        current_ids: source key -> newest record id (`record_ids.current_ids`); needed so that a row that changes back to
            what it once was counts as new again.

    Raises:
        SourceError: the source is missing, or files cannot be read as they should; all files' problems in one message.
        TransientError: the object store does not answer.
    """
    found = find_files(use_case.settings.source, environment)
    files = hashes(found.files)
    reading = _Reading(use_case, RecordIds(use_case.name, known_ids, current_ids), ingested_at)
    problems: list[SourceError] = []
    to_read = [file for file in found.files if known_files.get(file.uri) != files[file.uri]]
    for file in to_read:
        try:
            _read_file(reading, file, files[file.uri])
        except SourceError as error:
            problems.append(error)
    if reading.repeated and not problems:
        problems.append(_repeated_ids(reading))
    if problems:
        raise problems[0] if len(problems) == 1 else SourceError("\n".join(str(p) for p in problems))
    records = pa.Table.from_batches(reading.batches, schema=raw_schema(use_case))
    return Ingest(records, files, _counts(reading, found, to_read, known_files, records.num_rows))


def _read_file(reading: _Reading, file: SourceFile, sha256: str) -> None:
    settings = reading.use_case.settings
    reader = formats()[format_name(file.path, settings.source.format) or ""]
    reading.ids.start_file()
    before = reading.rows_read
    with file.local_path(sha256) as path:
        if path.stat().st_size == 0:
            raise SourceError(f"{file.uri} is empty (0 bytes)", "Export it again, or take it out of the source")
        encoding = detect_encoding(path, file.uri, settings.source.encoding) if reader.IS_TEXT else ""
        opened = OpenFile(path, file.uri, settings.record.columns(), frozenset(settings.record.optional_columns), encoding, settings.source.delimiter)
        for batch in reader.read(opened):
            _add(reading, batch, file.uri, sha256, reading.rows_read - before + 1)
    if reading.rows_read == before:
        raise SourceError(f"{file.uri} has no data row", "Export it again, or take it out of the source")
    if encoding:
        reading.encodings[file.uri] = encoding
    reading.absent.append(frozenset(opened.absent))


def _add(reading: _Reading, batch: pa.RecordBatch, uri: str, sha256: str, first_row: int) -> None:
    rows = map_batch(reading.use_case, batch, uri, first_row)
    new: list[tuple[str, int, MappedRow]] = []
    for position, row in enumerate(rows, first_row):
        if row.key is not None and (other := reading.keys.setdefault(row.key, (uri, position))) != (uri, position):
            reading.repeated.append((*other, uri, position))
        elif record_id := reading.ids.new_id(row):
            new.append((record_id, position, row))
    reading.rows_read += len(rows)
    if new:
        reading.batches.append(_to_arrow(reading, new, uri, sha256))
    report("raw_records", reading.rows_read, None, "rows")


def _to_arrow(reading: _Reading, new: list[tuple[str, int, MappedRow]], uri: str, sha256: str) -> pa.RecordBatch:
    schema = raw_schema(reading.use_case)
    fields = zip(*[row.fields for _, _, row in new], strict=True)
    columns = dict(zip(field_names(reading.use_case.settings.record), fields, strict=True))
    columns |= {
        "record_id": [record_id for record_id, _, _ in new],
        "source_key": [row.key for _, _, row in new],
        "source_uri": [uri] * len(new),
        "source_position": [position for _, position, _ in new],
        "source_hash": [sha256] * len(new),
        "ingested_at": [reading.ingested_at] * len(new),
        "messages": pa.array([row.messages for _, _, row in new], MESSAGES),
    }
    return pa.RecordBatch.from_arrays([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def _repeated_ids(reading: _Reading) -> SourceError:
    """Positions only: an id may be personal data."""
    uris = {uri for one, _, other, _ in reading.repeated for uri in (one, other)}
    short = {uri: f" of {uri}" if len(uris) > 1 else "" for uri in uris}
    pairs = [f"data row {row}{short[uri]} repeats data row {first}{short[other]}" for other, first, uri, row in reading.repeated[:SHOWN]]
    more = f" and {len(reading.repeated) - SHOWN} more" if len(reading.repeated) > SHOWN else ""
    where = "several files" if len(uris) > 1 else next(iter(uris))
    column = reading.use_case.settings.record.id
    return SourceError(
        f"{where}: {len(reading.repeated)} rows have a duplicate id in column {column!r}: {'; '.join(pairs)}{more}",
        "Remove the repeated rows, map another column to record.id, or leave record.id out to identify records by content",
    )


def _counts(reading: _Reading, found: Found, to_read: list[SourceFile], known_files: Mapping[str, str], rows_new: int) -> dict[str, Any]:
    changed = sum(file.uri in known_files for file in to_read)
    absent = frozenset.intersection(*reading.absent) if reading.absent else frozenset()
    return {
        "files": len(found.files),
        "files_new": len(to_read) - changed,
        "files_changed": changed,
        "files_unchanged": len(found.files) - len(to_read),
        "files_ignored": found.ignored,
        "rows_read": reading.rows_read,
        "rows_new": rows_new,
        "rows_known": reading.rows_read - rows_new,
        "encodings": reading.encodings,
        "columns_absent": sorted(absent),
    }
