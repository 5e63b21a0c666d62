"""CSV files (RFC 4180, any delimiter). Rows that do not fit the header are errors: a cut or badly quoted file shifts columns."""

import csv
from collections.abc import Iterator
from typing import TextIO

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.formats import BATCH_ROWS, OpenFile, row_list

ENDINGS = (".csv", ".tsv")
IS_TEXT = True
DELIMITERS = (",", ";", "\t", "|")
MAX_FIELD_CHARACTERS = 1 << 30
"""A text of 10 MB is read and later removed by its length, with a reason, instead of ending the run here."""


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every data row.

    Raises:
        SourceError: no header, missing columns, a quote that does not close, rows with too few or too many fields.
    """
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    with open(file.path, encoding=file.encoding, newline="") as text:
        delimiter = _delimiter(file, text)
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        header = next(_rows(reader, file, 0), [])
        columns = file.require(header)
        places = [header.index(c) for c in columns]
        misfits: list[tuple[int, int]] = []
        count = 0
        pending: list[list[str]] = []
        for count, row in enumerate(_rows(reader, file), 1):
            if len(row) != len(header):
                misfits.append((count, len(row)))
            if misfits:
                continue  # only counting on: nothing of this file will be used
            pending.append([row[p] for p in places])
            if len(pending) == BATCH_ROWS:
                yield file.batch(columns, _by_column(pending), count - len(pending) + 1)
                pending = []
    if misfits:
        raise _misfit_error(file, misfits, len(header), count)
    if pending:
        yield file.batch(columns, _by_column(pending), count - len(pending) + 1)


def _rows(reader, file: OpenFile, done: int | None = None) -> Iterator[list[str]]:
    """Rows without the blank lines between them. `done`: data rows so far, None to count."""
    count = 0
    try:
        for row in reader:
            if row:
                count += 1
                yield row
    except csv.Error as error:
        cut = "unexpected end of data" in str(error)
        place = "the header" if done == 0 else f"data row {count + 1} (line {reader.line_num})"
        problem = (
            "has a quote that is never closed: the file is cut, or a quote in a text is not doubled"
            if cut
            else "has text after a closing quote: a quote in it is not doubled"
        )
        raise SourceError(f"{file.name}: {place} {problem}", "Export the file again") from None


def _by_column(rows: list[list[str]]) -> list[list[str | None]]:
    return [list(values) for values in zip(*rows, strict=True)]


def _delimiter(file: OpenFile, text: TextIO) -> str:
    """The set delimiter, or the one that finds most of the mapped columns in the first row."""
    if file.delimiter != "auto":
        return "\t" if file.delimiter == "\\t" else file.delimiter
    head = text.read(1 << 16)
    text.seek(0)

    def score(delimiter: str) -> tuple[int, int]:
        header = next(csv.reader(head.splitlines(keepends=True), delimiter=delimiter), [])
        return len(set(header).intersection(file.mapped)), len(header)

    return max(DELIMITERS, key=score)


def _misfit_error(file: OpenFile, misfits: list[tuple[int, int]], expected: int, rows: int) -> SourceError:
    few, many = [r for r, n in misfits if n < expected], [r for r, n in misfits if n > expected]
    parts = [f"{row_list(r)} with too {word} fields" for r, word in ((few, "few"), (many, "many")) if r]
    cut = " The last row is one of them: the file may be cut." if few and few[-1] == rows else ""
    return SourceError(
        f"{file.name}: expected {expected} fields in every row, got {' and '.join(parts)}.{cut}", "Export the file again, or set source.delimiter"
    )
