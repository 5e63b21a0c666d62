"""Excel workbooks (`.xlsx`, `.xlsm`): one sheet, whose first row that is not blank names the columns. Macros are never
run, links never followed."""

import zipfile
from collections.abc import Iterator
from datetime import datetime, time
from typing import Any

import pyarrow as pa

from ft_platform.errors import MissingExtra, SourceError
from ft_platform.sources.arrow_strings import text_of
from ft_platform.sources.file_format import OpenFile

ENDINGS = (".xlsx", ".xlsm")
IS_TEXT = False
REPAIR = "Open it in a spreadsheet program, and save it again"
NOT_CALCULATED = "formula without a result"
MAX_ROWS = 1_048_576
"""Rows of a sheet: Excel specifications and limits."""
MAX_UNPACKED_BYTES = 1 << 30
"""All texts of a workbook are in memory while it is read."""


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every row of the sheet that is not blank. Dates are in ISO 8601.

    Raises:
        MissingExtra: openpyxl or defusedxml is not installed.
        SourceError: no readable workbook, no such sheet, missing columns, rows or cells whose numbers do not grow,
            cells with an error such as #REF! or a formula that was never calculated, or beyond the limits.
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
    except Exception:  # openpyxl lets whatever its XML reader meets pass: KeyError, ValueError, ParseError, ...
        raise _unreadable(file) from None
    try:
        rows = _rows(file, _sheet(file, workbook))
        _, first = next(rows, (0, {}))
        header = {place: str(cell["value"]).strip() for place, cell in first.items() if cell["value"] is not None}
        columns = file.require([name for name in header.values() if name], from_first_row=True)
        places = {name: place for place, name in header.items()}
        yield from file.batches(columns, _texts(file, rows, [places[name] for name in columns]))
    finally:
        workbook.close()


def _count_unpacked(file: OpenFile) -> None:
    """Counts what the workbook, a zip archive, unpacks to before it is opened; zipfile reads no more of a member than
    it states."""
    try:
        with zipfile.ZipFile(file.path) as archive:
            members = archive.infolist()
    except Exception:  # see `unpacking`: damaged directories raise all kinds
        raise _unreadable(file) from None
    total = sum(member.file_size for member in members)
    if len({member.filename for member in members}) < len(members):
        raise SourceError(
            f"{file.name} has two parts of one name, of which programs read the one or the other", "Save it again"
        )
    file.budget.add_unpacked(file.name, total, file.path.stat().st_size, total)
    if total > MAX_UNPACKED_BYTES:
        raise SourceError(
            f"{file.name} unpacks to {total:,} bytes, too much for a workbook", "Export it as CSV or Parquet"
        )


def _sheet(file: OpenFile, workbook: Any) -> Any:
    names = [sheet.title for sheet in workbook.worksheets]
    wanted = file.settings.sheet or (names[0] if names else "")
    if wanted not in names:
        raise SourceError(
            f"{file.name} has no sheet {wanted!r}, it has {', '.join(map(repr, names[:20])) or 'none'}",
            "Correct source.sheet",
        )
    return workbook[wanted]


def _rows(file: OpenFile, sheet: Any) -> Iterator[tuple[int, dict[int, Any]]]:
    """Number in the sheet, and cells by their column, of each row that is not blank.

    openpyxl's own rows leave out a row whose number is not above the one before, and fill each row up to its last
    column."""
    last = 0
    try:
        for number, cells in _numbered_rows(sheet):
            if not last < number <= MAX_ROWS:
                if number <= MAX_ROWS:
                    behind = f"a row with the number {number} behind row {last}"
                else:
                    behind = f"a row beyond {MAX_ROWS:,}, the last that Excel has"
                raise SourceError(f"{file.name} has {behind}", REPAIR)
            last = number
            columns = [cell["column"] for cell in cells]
            if any(cell["row"] != number for cell in cells) or columns != sorted(set(columns)):
                raise SourceError(
                    f"{file.name}: row {number} of the sheet has cells that repeat or belong to another row", REPAIR
                )
            if any(cell["value"] is not None or cell["data_type"] == NOT_CALCULATED for cell in cells):
                yield number, dict(zip(columns, cells, strict=True))
    except SourceError:
        raise
    except Exception:  # see `read`
        raise _unreadable(file, f" behind row {last} of the sheet") from None


def _numbered_rows(sheet: Any) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Every row as the file has it."""
    from openpyxl.worksheet._reader import (
        FORMULA_TAG,
        VALUE_TAG,
        WorkSheetParser,
    )  # the public classes hide the numbers

    class Parser(WorkSheetParser):
        def parse_cell(self, element: Any) -> dict[str, Any]:
            if element.get("t") == "s" and (element.findtext(VALUE_TAG) or "0").startswith("-"):
                raise IndexError  # Python would count from the end of the texts
            cell = super().parse_cell(element)
            if cell["value"] is None and element.find(FORMULA_TAG) is not None and element.find(VALUE_TAG) is None:
                cell["data_type"] = NOT_CALCULATED
            return cell

    book = sheet.parent
    formats = {"date_formats": book._date_formats, "timedelta_formats": book._timedelta_formats}
    with sheet._get_source() as source:
        yield from Parser(source, sheet._shared_strings, data_only=True, epoch=book.epoch, **formats).parse()


def _texts(file: OpenFile, rows: Iterator[tuple[int, dict[int, Any]]], places: list[int]) -> Iterator[list[str | None]]:
    for number, cells in rows:
        chosen = [cells.get(place) for place in places]
        for cell in filter(None, chosen):
            if cell["data_type"] == "e":
                raise SourceError(
                    f"{file.name}: row {number} of the sheet has a cell with an error such as #REF!",
                    "Correct the formula, or empty the cell",
                )
            if cell["data_type"] == NOT_CALCULATED:
                raise SourceError(
                    f"{file.name}: row {number} of the sheet has a formula without a result",
                    "Open the file in Excel, and save it",
                )
        yield [None if cell is None else _text(file, cell["value"]) for cell in chosen]


def _text(file: OpenFile, value: Any) -> str | None:
    """A day has no time of its own in Excel: midnight is left out."""
    return value.date().isoformat() if isinstance(value, datetime) and value.time() == time() else text_of(file, value)


def _unreadable(file: OpenFile, where: str = "") -> SourceError:
    return SourceError(
        f"{file.name} cannot be read as an Excel workbook{where}: cut, damaged or another format", REPAIR
    )
