"""JSON files: one array of objects."""

import json
from collections.abc import Iterator

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.formats import BATCH_ROWS, OpenFile
from ft_platform.sources.jsonl import loads, not_objects, object_batch

ENDINGS = (".json",)
IS_TEXT = True


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every object. The file is held in memory; JSON Lines is the format for large ones.

    Raises:
        SourceError: broken JSON (with line and character), no array of objects, or columns that no object has.
    """
    text = file.path.read_text(encoding=file.encoding)
    try:
        rows = loads(text)
    except json.JSONDecodeError as error:
        hint = "Set source.format: jsonl if each line is an object" if error.msg == "Extra data" else "Repair the file, or export it again if it is cut"
        raise SourceError(f"{file.name}: line {error.lineno} is no JSON at character {error.colno}: {error.msg}", hint) from None
    except RecursionError:
        raise SourceError(f"{file.name} is nested too deeply", "Export an array of flat objects") from None
    if not isinstance(rows, list):
        raise SourceError(f"{file.name}: expected a JSON array of objects, got {type(rows).__name__}", "Export an array, or set source.format: jsonl")
    if wrong := [number for number, row in enumerate(rows, 1) if not isinstance(row, dict)]:
        raise not_objects(file, wrong)
    seen: dict[str, None] = {}
    for start in range(0, len(rows), BATCH_ROWS):
        yield object_batch(file, rows[start : start + BATCH_ROWS], start + 1, seen)
    file.require(seen)
