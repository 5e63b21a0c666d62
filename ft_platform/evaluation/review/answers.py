"""Reads the sheets that experts filled in. Every problem is named with file and row; what stands in a cell is never
quoted."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ft_platform.errors import AnswersRefused
from ft_platform.evaluation.agreement import ALTERNATIVE, FINE_TUNED, TIE
from ft_platform.evaluation.review.sheets import ANSWERS, text_hash

NEEDED = ("sheet", "rater", "row", "better")
TEXTS = ("question", "answer_1", "answer_2")
MOST_BYTES = 100_000_000
MOST_ROWS = 100_000
MOST_PROBLEMS = 20
SHEET_ID = re.compile(r"^sheet-[0-9a-f]{12}$")


@dataclass
class Answers:
    """What raters said about one export.

    Attributes:
        sheet: id of the export.
        key: what the export noted (`export.read_key`).
        ratings: rater -> record id -> `fine_tuned`, `alternative` or `tie`.
        first_chosen: rater -> answers that chose the side that stood first.
        empty: rater -> rows without an answer.
    """

    sheet: str
    key: dict[str, Any]
    ratings: dict[str, dict[str, str]] = field(default_factory=dict)
    first_chosen: dict[str, int] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)


def read_answers(paths: Sequence[Path], key_of: Callable[[str], dict[str, Any] | None]) -> Answers:
    """The answers in all files of one export.

    Args:
        key_of: what an export noted, by its id; None where there was no such export.

    Raises:
        AnswersRefused: a file cannot be read or is of another export; a rater, row or answer is not one of the
            export's; a row is answered twice; the texts of a row are not those that were exported. Up to 20 problems,
            each with file and row.
    """
    tables = {path: _table(path) for path in paths}
    sheet, key = _export_of(tables, key_of)
    found = Answers(sheet, key)
    problems: list[str] = []
    seen: dict[tuple[str, int], str] = {}
    for path, rows in tables.items():
        for place, cells in rows:
            if problem := _take(found, cells, f"{path.name}:{place}", seen):
                problems.append(f"{path.name}:{place}: {problem}")
    if problems:
        more = len(problems) - MOST_PROBLEMS
        remedy = "Nothing was imported. Correct the files"
        raise AnswersRefused(problems[:MOST_PROBLEMS] + ([f"and {more} more problems"] if more > 0 else []), remedy)
    if not any(found.ratings.values()):
        raise AnswersRefused(
            [f"{', '.join(path.name for path in paths)}: no row has an answer in column better"], "Nothing was imported"
        )
    return found


def _export_of(
    tables: dict[Path, list[tuple[int, dict[str, str]]]], key_of: Callable[[str], dict[str, Any] | None]
) -> tuple[str, dict[str, Any]]:
    """The one export that all files are of, and its key."""
    first: tuple[str, str] | None = None
    for path, rows in tables.items():
        for place, cells in rows:
            where = f"{path.name}:{place}"
            if not SHEET_ID.match(cells["sheet"]):
                raise AnswersRefused(
                    [
                        f"{where}: column sheet must name an export such as sheet-0123456789ab, got a text of"
                        f" {len(cells['sheet'])} characters"
                    ]
                )
            if first and cells["sheet"] != first[1]:
                problem = f"{where}: is of export {cells['sheet']}, but {first[0]} is of {first[1]}"
                raise AnswersRefused([problem], "Import the files of one export at a time")
            first = first or (where, cells["sheet"])
    if first is None:
        raise AnswersRefused([f"{', '.join(path.name for path in tables)}: no rows"])
    key = key_of(first[1])
    if key is None:
        raise AnswersRefused(
            [f"{first[0]}: this use case has no export {first[1]}"], "Name the use case that the sheet was exported for"
        )
    return first[1], key


def _take(found: Answers, cells: dict[str, str], where: str, seen: dict[tuple[str, int], str]) -> str | None:
    """Notes one row. Returns what is wrong with it, if anything is."""
    rater, number, better = cells["rater"], cells["row"], cells["better"].lower()
    sides = found.key["raters"].get(rater)
    if sides is None:
        return f"column rater must be one of {', '.join(found.key['raters'])}, got a text of {len(rater)} characters"
    if not number.isdecimal() or not 1 <= int(number) <= len(sides):
        return (
            f"column row must be a number from 1 to {len(sides)}, got {'a number' if number.isdecimal() else 'a text'}"
            f" of {len(number)} characters"
        )
    row = int(number)
    if (rater, row) in seen:
        return f"row {row} of {rater} is in {seen[rater, row]} already: each rater fills in one sheet, once"
    seen[rater, row] = where
    side = sides[row - 1]
    if all(name in cells for name in TEXTS) and text_hash([cells[name] for name in TEXTS]) != side["texts"]:
        return (
            f"the texts of row {row} of {rater} are not those that were exported: one column was sorted alone, a text"
            " was changed, or it is no UTF-8"
        )
    if better not in ("", *ANSWERS):
        return f"column better must be 1, 2 or tie, or be empty, got a text of {len(better)} characters"
    ratings = found.ratings.setdefault(rater, {})
    if not better:
        found.empty[rater] = found.empty.get(rater, 0) + 1
        return None
    second = ALTERNATIVE if side["first"] == FINE_TUNED else FINE_TUNED
    ratings[found.key["rows"][row - 1]["record_id"]] = {"1": side["first"], "2": second, "tie": TIE}[better]
    found.first_chosen[rater] = found.first_chosen.get(rater, 0) + (better == "1")
    return None


def _table(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Row number in the file, from 2 on, and cells by column; rows that are wholly empty are left out."""
    if not path.is_file():
        raise AnswersRefused([f"{path}: no such file"])
    if path.stat().st_size > MOST_BYTES:
        raise AnswersRefused([f"{path.name}: has more than {MOST_BYTES:,} bytes; a sheet is smaller"])
    if path.suffix.lower() != ".csv":
        problem = f"{path.name}: must be a .csv file, got {path.suffix or 'no ending'}"
        raise AnswersRefused([problem], "A page saves a .csv file; save a workbook as CSV UTF-8")
    rows = csv_rows(path)
    header = [name.strip().lower() for name in rows[0]] if rows else []
    missing = [name for name in NEEDED if name not in header]
    if missing:
        problem = f"{path.name}:1: lacks the columns {', '.join(missing)}"
        raise AnswersRefused([problem], "Keep the first row of the sheet as it was exported")
    if len(rows) > MOST_ROWS:
        raise AnswersRefused([f"{path.name}: has more than {MOST_ROWS:,} rows; a sheet has fewer"])
    places = {name: header.index(name) for name in (*NEEDED, *TEXTS) if name in header}
    found = []
    for place, row in enumerate(rows[1:], start=2):
        if any(value.strip() for value in row):
            found.append((place, {name: row[at].strip() if at < len(row) else "" for name, at in places.items()}))
    return found


def csv_rows(path: Path) -> list[list[str]]:
    """Rows of a CSV file: UTF-8, parted by comma, semicolon or tab, as Excel saves it in one country or another."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnswersRefused([f"{path.name}: is not UTF-8 (byte {error.start})"], "Save it as CSV UTF-8") from None
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        problem = f"{path.name}: is no CSV file: a quoted text does not end, or something follows one"
        raise AnswersRefused([problem], "Save the sheet again") from None
