"""CSV files (RFC 4180, any delimiter). Rows that do not fit the header are errors: a cut or badly quoted file shifts
columns."""

import csv
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, TextIO

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.budget import over
from ft_platform.sources.file_format import OpenFile, row_list

ENDINGS = (".csv", ".tsv")
IS_TEXT = True
DELIMITERS = (",", ";", "\t", "|")


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every data row.

    Raises:
        SourceError: no header, missing columns, a quote that does not close, rows with too few or too many fields.
    """
    csv.field_size_limit(file.budget.limits.field_characters)
    with open(file.path, encoding=file.encoding, newline="") as text:
        reader = csv.reader(text, delimiter=_delimiter(file, text), strict=True)
        header = _header(file, reader)
        columns = file.require(header, from_first_row=True)
        yield from file.batches(columns, _fitting(file, reader, len(header), [header.index(c) for c in columns]))


def _header(file: OpenFile, reader: Any) -> list[str]:
    try:
        return next((row for row in reader if row), [])
    except csv.Error as error:
        raise _csv_error(file, "the header", error) from None


def _fitting(file: OpenFile, reader: Any, width: int, places: list[int]) -> Iterator[tuple[str, ...]]:
    """The chosen fields of every row but blank lines. After the first row that does not fit only the others are
    counted: nothing of this file will be used."""
    chosen = itemgetter(*places) if len(places) > 1 else lambda row: tuple(row[p] for p in places)
    misfits: list[tuple[int, int]] = []
    count = 0
    try:
        for row in reader:
            if not row:
                continue
            count += 1
            if len(row) != width:
                misfits.append((count, len(row)))
            elif not misfits:
                yield chosen(row)
    except csv.Error as error:
        raise _csv_error(file, f"data row {count + 1} (line {reader.line_num})", error) from None
    if misfits:
        raise _misfit_error(file, misfits, width, count)


def _csv_error(file: OpenFile, place: str, error: csv.Error) -> SourceError:
    if "field larger than field limit" in str(error):
        limit = file.budget.limits.field_characters
        return over(
            file.name,
            f"{place} has a field of more than {limit:,} characters, or a quote that is never closed",
            "field_characters",
        )
    cut = "unexpected end of data" in str(error)
    if cut:
        problem = "has a quote that is never closed: the file is cut, or a quote in a text is not doubled"
    else:
        problem = "has text after a closing quote: a quote in it is not doubled"
    return SourceError(f"{file.name}: {place} {problem}", "Export the file again")


def _delimiter(file: OpenFile, text: TextIO) -> str:
    """The set delimiter, or the one that finds most of the mapped columns in the first row."""
    if file.settings.delimiter != "auto":
        return "\t" if file.settings.delimiter == "\\t" else file.settings.delimiter
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
        f"{file.name}: expected {expected} fields in every row, got {' and '.join(parts)}.{cut}",
        "Export the file again, or set source.delimiter",
    )
