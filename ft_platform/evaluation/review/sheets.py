"""The sheets that experts fill in: CSV, Excel workbook, or a page that needs no server and no network. They name no
system."""

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ft_platform.errors import MissingExtra
from ft_platform.records.cells import cell

COLUMNS = ("sheet", "rater", "row", "question", "answer_1", "answer_2", "better")
ANSWERS = ("1", "2", "tie")
"""What may stand in column `better`."""

HOW_TO = (
    "Which answer is better? Put 1, 2 or tie into the column better. Leave a row empty that you cannot judge. Do not"
    " change the other columns."
)


VOICE = "An answer is better if it also sounds like this:"


@dataclass(frozen=True)
class SheetRow:
    """One row of a sheet. `first` and `second` are the answers as this rater sees them."""

    row: int
    question: str
    first: str
    second: str

    def texts(self) -> tuple[str, str, str]:
        return self.question, self.first, self.second


@dataclass(frozen=True)
class Sheet:
    """What one rater gets. `voice`: what answers should sound like; a CSV file has no place for it."""

    sheet: str
    rater: str
    rows: list[SheetRow]
    voice: str = ""


def text_hash(texts: Sequence[str]) -> str:
    """Hash of the words of a row, by letters and digits alone: programs change blanks, quotes and line breaks (16 hex
    digits)."""
    return hashlib.sha256("\n".join(re.sub(r"[\W_]+", "", cell(text)) for text in texts).encode()).hexdigest()[:16]


def as_csv(sheet: Sheet) -> bytes:
    """UTF-8 with a byte order mark, without which Excel takes it for another encoding."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    writer.writerows(_cells(sheet))
    return buffer.getvalue().encode("utf-8-sig")


def as_xlsx(sheet: Sheet) -> bytes:
    """A workbook with a list of the allowed answers in each cell to fill in.

    Raises:
        MissingExtra: openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.styles import Alignment, Font
        from openpyxl.worksheet.datavalidation import DataValidation
    except ImportError:
        raise MissingExtra("openpyxl, which writes Excel files,", extra="excel") from None
    workbook = Workbook()
    page = workbook.worksheets[0]
    page.title = "answers"
    for cells in [COLUMNS, *_cells(sheet)]:
        page.append([value if value != "" else None for value in cells])
        for one in page[page.max_row]:
            if isinstance(one.value, str):
                one.data_type = "s"
            one.alignment = Alignment(wrap_text=True, vertical="top")
    for one in page[1]:
        one.font = Font(bold=True)
    for letter, width in zip("ABCDEFG", (14, 9, 6, 60, 60, 60, 9), strict=True):
        page.column_dimensions[letter].width = width
    page.freeze_panes = "A2"
    allowed = DataValidation(type="list", formula1=f'"{",".join(ANSWERS)}"', allow_blank=True, showErrorMessage=True)
    allowed.add(f"G2:G{len(sheet.rows) + 1}")
    page.add_data_validation(allowed)
    how_to = workbook.create_sheet("how to")
    for text in (HOW_TO, *([cell(f"{VOICE} {sheet.voice}")] if sheet.voice else [])):
        how_to.append([text])
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def _cells(sheet: Sheet) -> list[tuple[Any, ...]]:
    return [(sheet.sheet, sheet.rater, row.row, *map(cell, row.texts()), "") for row in sheet.rows]
