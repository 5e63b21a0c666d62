"""Excel workbooks (`.xlsx`, `.xlsm`): one sheet, whose first row that is not blank names the columns. Macros are never run.

Not covered: a formula whose result the file does not hold (written by a program and never opened in Excel) is an empty cell.
"""

import zipfile
from collections.abc import Iterator
from datetime import datetime, time
from typing import Any

import pyarrow as pa

from ft_platform.errors import MissingExtra, SourceError
from ft_platform.sources.arrow_strings import text_of
from ft_platform.sources.formats import OpenFile

ENDINGS = (".xlsx", ".xlsm")
IS_TEXT = False
MAX_ROWS = 1_048_576
"""Rows of a sheet: Excel specifications and limits."""
MAX_UNPACKED_BYTES = 1 << 30
"""All texts of a workbook are in memory while it is read."""


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every row of the sheet that is not blank. Dates are in ISO 8601.

    Raises:
        MissingExtra: openpyxl or defusedxml is not installed.
        SourceError: no readable workbook, no such sheet, missing columns, cells with an error such as #REF!, or beyond the limits.
    """
    try:
        import openpyxl
    except ImportError:
        raise MissingExtra("openpyxl, which reads Excel files,", extra="excel") from None
    if not openpyxl.DEFUSEDXML:
        raise MissingExtra("defusedxml, without which a workbook can fill the memory (entities of XML),", extra="excel")
    _count_unpacked(file)
    try:
        workbook = openpyxl.load_workbook(file.path, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl lets whatever its XML reader meets pass: KeyError, ValueError, ParseError, ...
        raise _unreadable(file, error) from None
    try:
        rows = _rows(file, _sheet(file, workbook))
        header = [str(cell.value).strip() if cell.value is not None else "" for cell in next(rows, (0, ()))[1]]
        columns = file.require([name for name in header if name], from_first_row=True)
        yield from file.batches(columns, _texts(file, rows, [header.index(name) for name in columns]))
    finally:
        workbook.close()


def _count_unpacked(file: OpenFile) -> None:
    """Counts what the workbook, a zip archive, unpacks to before it is opened; zipfile reads no more of a member than it states."""
    try:
        with zipfile.ZipFile(file.path) as archive:
            total = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise _unreadable(file, error) from None
    file.budget.add_unpacked(file.name, total, file.path.stat().st_size, total)
    if total > MAX_UNPACKED_BYTES:
        raise SourceError(f"{file.name} unpacks to {total:,} bytes, too much for a workbook", "Export it as CSV or Parquet")


def _sheet(file: OpenFile, workbook: Any) -> Any:
    names = [sheet.title for sheet in workbook.worksheets]
    wanted = file.settings.sheet or (names[0] if names else "")
    if wanted not in names:
        raise SourceError(f"{file.name} has no sheet {wanted!r}, it has {', '.join(map(repr, names[:20])) or 'none'}", "Correct source.sheet")
    sheet = workbook[wanted]
    sheet.reset_dimensions()  # what a file says of its size may lie
    return sheet


def _rows(file: OpenFile, sheet: Any) -> Iterator[tuple[int, Any]]:
    """Number in the sheet and cells of each row that is not blank."""
    try:
        for number, cells in enumerate(sheet.iter_rows(), 1):
            if number > MAX_ROWS:
                raise SourceError(f"{file.name} has a row beyond {MAX_ROWS:,}, the last that Excel has", "Export it again")
            if any(cell.value is not None for cell in cells):
                yield number, cells
    except SourceError:
        raise
    except Exception as error:
        raise _unreadable(file, error) from None


def _texts(file: OpenFile, rows: Iterator[tuple[int, Any]], places: list[int]) -> Iterator[list[str | None]]:
    for number, cells in rows:
        chosen = [cells[place] if place < len(cells) else None for place in places]
        if any(cell is not None and cell.data_type == "e" for cell in chosen):
            raise SourceError(f"{file.name}: row {number} of the sheet has a cell with an error such as #REF!", "Correct the formula, or empty the cell")
        yield [None if cell is None else _text(file, cell.value) for cell in chosen]


def _text(file: OpenFile, value: Any) -> str | None:
    """A day has no time of its own in Excel: midnight is left out."""
    return value.date().isoformat() if isinstance(value, datetime) and value.time() == time() else text_of(file, value)


def _unreadable(file: OpenFile, error: Exception) -> SourceError:
    return SourceError(f"{file.name} cannot be read as an Excel workbook ({type(error).__name__}): cut, damaged or another format", "Export it again")
