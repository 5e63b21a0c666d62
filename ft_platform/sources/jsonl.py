"""JSON Lines files: one JSON object per line."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.formats import BATCH_ROWS, OpenFile, as_text, row_list

ENDINGS = (".jsonl", ".ndjson")
IS_TEXT = True


def loads(text: str) -> Any:
    """Parsed JSON. Numbers stay as they are written (`1.50`), and what is not a number in JSON (`NaN`) is no value."""
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=lambda _: None)


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every line.

    Raises:
        SourceError: a line that is no JSON object (with its number), or columns that no line has.
    """
    seen: dict[str, None] = {}
    with open(file.path, encoding=file.encoding, newline="\n") as text:
        objects: list[dict[str, Any]] = []
        row = 0
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            row += 1
            objects.append(_parsed(file, line, number, row))
            if len(objects) == BATCH_ROWS:
                yield object_batch(file, objects, row - len(objects) + 1, seen)
                objects = []
        if objects:
            yield object_batch(file, objects, row - len(objects) + 1, seen)
    file.require(seen)


def object_batch(file: OpenFile, objects: list[dict[str, Any]], first_row: int, seen: dict[str, None]) -> pa.RecordBatch:
    """A batch with all mapped columns (empty where an object lacks one); notes in `seen` which columns there were."""
    for item in objects:
        seen.update(dict.fromkeys(item))
    return file.batch(file.mapped, [[as_text(item.get(c)) for item in objects] for c in file.mapped], first_row)


def not_objects(file: OpenFile, rows: list[int]) -> SourceError:
    return SourceError(f'{file.name}: {row_list(rows)} hold no JSON object ({{"column": value, ...}})', "Export one object per row")


def _parsed(file: OpenFile, line: str, number: int, row: int) -> dict[str, Any]:
    try:
        value = loads(line)
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{file.name}: line {number} is no JSON at character {error.colno}: {error.msg}", "Repair the line; a cut last line means a cut file"
        ) from None
    except RecursionError:
        raise SourceError(f"{file.name}: line {number} is nested too deeply", "Repair the line") from None
    if not isinstance(value, dict):
        raise not_objects(file, [row])
    return value
