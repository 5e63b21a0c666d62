"""JSON Lines files: one JSON object per line."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, TextIO

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.budget import over
from ft_platform.sources.file_format import BATCH_ROWS, OpenFile, as_text, row_list
from ft_platform.sources.strict_json import NotStrict, StrictJson

ENDINGS = (".jsonl", ".ndjson")
IS_TEXT = True
BLANKS = " \t\r\n"


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every line.

    Raises:
        SourceError: a line that is no JSON object (with its number), or columns that no line has.
    """
    with open(file.path, encoding=file.encoding, newline="\n") as text:
        yield from object_batches(file, _objects(file, text))


def object_batches(file: OpenFile, objects: Iterable[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    """Batches with all mapped columns, empty where an object lacks one.

    Raises:
        SourceError: no object has a column that is needed.
    """
    seen: dict[str, None] = {}
    if file.all_columns:
        some = list(islice(objects := iter(objects), BATCH_ROWS))
        file.require({key: None for item in some for key in item}, from_objects=True)
        objects = chain(some, objects)

    def rows() -> Iterator[list[str | None]]:
        for item in objects:
            if not item.keys() <= seen.keys():
                seen.update(dict.fromkeys(item))
            yield [as_text(item.get(column)) for column in file.mapped]

    yield from file.batches(file.mapped, rows())
    if not file.all_columns:
        file.require(seen, from_objects=True)


def not_objects(file: OpenFile, rows: list[int]) -> SourceError:
    return SourceError(
        f'{file.name}: {row_list(rows)} hold no JSON object ({{"column": value, ...}})', "Export one object per row"
    )


def _objects(file: OpenFile, text: TextIO) -> Iterator[dict[str, Any]]:
    reader, longest = StrictJson(file), file.budget.item_characters
    row = number = 0
    while line := text.readline(longest + 1):
        number += 1
        if len(line) > longest:
            raise over(file.name, f"line {number} has more than {longest:,} characters", "field_characters")
        if line.strip(BLANKS):
            row += 1
            yield _parsed(file, reader, line.rstrip(BLANKS), number, row)


def _parsed(file: OpenFile, reader: StrictJson, line: str, number: int, row: int) -> dict[str, Any]:
    try:
        value, end = reader.value_at(line, len(line) - len(line.lstrip(BLANKS)))
        if end != len(line):
            raise json.JSONDecodeError("Extra data", line, end)
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{file.name}: line {number} is not JSON at character {error.colno}: {error.msg}",
            "Repair the line; a cut last line means a cut file",
        ) from None
    except NotStrict as problem:
        raise SourceError(f"{file.name}: line {number} {problem}", problem.next_step) from None
    if not isinstance(value, dict):
        raise not_objects(file, [row])
    return value
