"""The sheets that experts fill in: CSV, or a page that needs no server and no network. They name no system."""

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ft_platform.records.cells import cell

COLUMNS = ("sheet", "rater", "row", "question", "answer_1", "answer_2", "better")
ANSWERS = ("1", "2", "tie")
"""What may stand in column `better`."""

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


def _cells(sheet: Sheet) -> list[tuple[Any, ...]]:
    return [(sheet.sheet, sheet.rater, row.row, *map(cell, row.texts()), "") for row in sheet.rows]
