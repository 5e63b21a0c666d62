"""JSON files: one array of objects, read piece by piece."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.budget import over
from ft_platform.sources.file_format import OpenFile
from ft_platform.sources.formats.jsonl import not_objects, object_batches
from ft_platform.sources.strict_json import NotStrict, StrictJson

ENDINGS = (".json",)
IS_TEXT = True
CHUNK_CHARACTERS = 1 << 20
BLANKS = re.compile(r"[ \t\n\r]*")


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every object of the array.

    Raises:
        SourceError: broken JSON (with line and character), no array of objects, or columns that no object has.
    """
    with open(file.path, encoding=file.encoding, newline="\n") as text:
        yield from object_batches(file, _objects(file, _Text(text)))


@dataclass
class _Text:
    """The part of a file that is looked at now.

    Attributes:
        buffer: characters from `place` on are not used yet.
        lines_before, columns_before: lines, and characters of an unfinished line, that were dropped from the buffer.
        ended: the file has no more.
    """

    file: TextIO
    buffer: str = ""
    place: int = 0
    lines_before: int = 0
    columns_before: int = 0
    ended: bool = False

    def more(self) -> None:
        """Drops what was used and reads on, at least as much as there is left."""
        used = self.buffer[: self.place]
        newlines = used.count("\n")
        self.lines_before += newlines
        self.columns_before = len(used) - used.rfind("\n") - 1 + (0 if newlines else self.columns_before)
        self.buffer = self.buffer[self.place :]
        self.place = 0
        read = self.file.read(max(CHUNK_CHARACTERS, len(self.buffer)))
        self.buffer += read
        self.ended = not read

    def sign(self) -> str:
        """The next character that is not blank, or nothing at the end. It is not used up."""
        while True:
            self.place = BLANKS.match(self.buffer, self.place).end()  # type: ignore[union-attr]  # matches always
            if self.place < len(self.buffer) or self.ended:
                return self.buffer[self.place : self.place + 1]
            self.more()

    def value(self, reader: StrictJson, longest: int) -> Any:
        """The next JSON value, which is used up.

        Raises:
            json.JSONDecodeError: it is broken.
            NotStrict: see `StrictJson`.
            OverflowError: it is longer than `longest` characters.
        """
        while True:
            try:
                value, end = reader.value_at(self.buffer, self.place)
                cut = end == len(self.buffer) and self.buffer[end - 1] not in '}]"'  # a number may go on
            except json.JSONDecodeError:
                if self.ended:
                    raise
                cut, end = True, len(self.buffer)
            if end - self.place > longest:
                raise OverflowError
            if not cut or self.ended:
                self.place = end
                return value
            self.more()

    def where(self, offset: int) -> tuple[int, int]:
        """Line and character of an offset in the buffer, from 1."""
        before = self.buffer[:offset]
        newlines = before.count("\n")
        return self.lines_before + newlines + 1, len(before) - before.rfind("\n") + (
            0 if newlines else self.columns_before
        )


def _objects(file: OpenFile, text: _Text) -> Iterator[dict[str, Any]]:
    """The objects of the array. After the first item that is none only the others are counted: nothing of this file
    will be used."""
    wrong: list[int] = []
    try:
        for number, item in enumerate(_items(file, text), 1):
            if not isinstance(item, dict):
                wrong.append(number)
            elif not wrong:
                yield item
    except json.JSONDecodeError as error:
        line, column = text.where(error.pos)
        if error.msg == "Extra data":
            hint = "Set source.format: jsonl if each line is an object"
        else:
            hint = "Repair the file, or export it again if it is cut"
        raise SourceError(f"{file.name}: line {line} is not JSON at character {column}: {error.msg}", hint) from None
    except NotStrict as problem:
        raise SourceError(
            f"{file.name}: what begins in line {text.where(text.place)[0]} {problem}", problem.next_step
        ) from None
    except OverflowError:
        problem = (
            f"the value that starts in line {text.where(text.place)[0]} has more than {file.budget.item_characters:,}"
            " characters"
        )
        raise over(file.name, problem, "field_characters") from None
    if wrong:
        raise not_objects(file, wrong)


def _items(file: OpenFile, text: _Text) -> Iterator[Any]:
    reader, longest = StrictJson(file), file.budget.item_characters
    if text.sign() != "[":
        kind = type(text.value(reader, longest)).__name__
        if text.sign():
            raise json.JSONDecodeError("Extra data", text.buffer, text.place)
        raise SourceError(
            f"{file.name}: expected a JSON array of objects, got {kind}", "Export an array, or set source.format: jsonl"
        )
    text.place += 1
    sign = text.sign()
    while sign != "]":
        yield text.value(reader, longest)
        sign = text.sign()
        if sign == ",":
            text.place += 1
            text.sign()
        elif sign != "]":
            raise json.JSONDecodeError("Expecting ',' or ']'", text.buffer, text.place)
    text.place += 1
    if text.sign():
        raise json.JSONDecodeError("Extra data", text.buffer, text.place)
