"""What every format offers, and the formats that there are: one file of `formats/` each, by the name that
`source.format` holds.

A file format has `ENDINGS` (file endings), `IS_TEXT` (whether an encoding applies) and `read(file)`, which yields arrow
batches with the mapped columns as strings (nested values as JSON text): one row per row of the file, in its order.
A format whose files make one table (`delta.py`) has `find` instead, see `table_sources.py`.
"""

import difflib
import importlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import SourceError
from ft_platform.sources.budget import Budget, over
from ft_platform.sources.data_files import inner_name
from ft_platform.use_case.settings.file_names import file_names
from ft_platform.use_case.settings.source import FORMATS, Limits, Source

BATCH_ROWS = 8192
BATCH_CHARACTERS = 1 << 24
"""A batch ends here if its texts are long: 8,192 texts of 10 MB would not fit into memory."""
ROWS_BETWEEN_LOOKS = 16
MOST_DIGITS = 6
"""In the name of a column: a telephone number has seven or more."""
SHOWN = 10
"""Row numbers or column names that a message lists at most."""


@dataclass
class Opened:
    """What a reader is asked to read, a file or a table.

    Attributes:
        name: what messages and `source_uri` call it.
        mapped: columns that the record mapping names.
        optional: those of them that it may lack.
        settings: `source` of the use case.
        budget: what may still be read.
        absent: optional columns that it lacks; set by `require`.
        packed_bytes: what it takes where it lies; None of a table, whose database or log says nothing of it.
        text_bytes: bytes of all texts that were read from it so far.
        all_columns: it is looked at before anything is mapped: `require` maps whatever it has.
    """

    name: str
    mapped: list[str]
    optional: frozenset[str] = frozenset()
    settings: Source = field(default_factory=lambda: Source(uri="file"))
    budget: Budget = field(default_factory=lambda: Budget(Limits()))
    absent: list[str] = field(default_factory=list)
    packed_bytes: int | None = None
    text_bytes: int = 0
    all_columns: bool = False

    def require(self, columns: Iterable[str], from_first_row: bool = False, *, from_objects: bool = False) -> list[str]:
        """The mapped columns that are among `columns`, in the mapping's order.

        Args:
            from_first_row: they are the first row of a file, which holds a person's data where the file has no header.
                If none of them is mapped, the message does not repeat them.
            from_objects: they are the keys of JSON objects, any of which may be data. The message counts those that
                nothing maps.

        Raises:
            SourceError: a mapped column is missing and not optional, or is there twice.
        """
        got = list(columns)
        if self.all_columns:
            self.mapped = self._headers(got, from_first_row)
            return self.mapped
        missing = [c for c in self.mapped if c not in got and c not in self.optional]
        twice = [c for c in self.mapped if got.count(c) > 1]
        problems = [f"column {c!r} is missing{_suggestion(c, got)}" for c in missing] + [
            f"column {c!r} appears {got.count(c)} times" for c in twice
        ]
        if problems:
            names = [one for one in got if (one in self.mapped if from_objects else _is_name(one))][:40]
            listed = ", ".join(map(repr, names)) + (
                f"{' and ' if names else ''}{len(got) - len(names)} more" if len(got) > len(names) else ""
            )
            if from_objects and len(got) > len(names):
                listed += ", which are left out here: keys of JSON may be data"
            if from_first_row and got and not set(got).intersection(self.mapped):
                listed = (
                    f"{len(got)} others, which are left out here: the first row may be data, because it names none of"
                    " them"
                )
            raise SourceError(
                f"{self.name}: {'; '.join(problems)}. Expected {', '.join(map(repr, self.mapped))}; got"
                f" {listed or 'no column'}",
                "Correct `record` in the use case, or name the column in record.optional_columns if sources may"
                " lack it",
            )
        self.absent = [c for c in self.mapped if c not in got]
        return [c for c in self.mapped if c in got]

    def _headers(self, got: list[str], from_first_row: bool) -> list[str]:
        """The columns that can be named: not blank, and there once.

        Raises:
            SourceError: the first row of the file is data, as far as it shows.
        """
        if from_first_row and any((one.strip() and not any(map(str.isalpha, one))) or "@" in one for one in got):
            raise SourceError(
                f"{self.name}: the first row has numbers or addresses instead of column names, so it may be data",
                "Put a row with the names of the columns above it",
            )
        return [one for one in got if one.strip() and got.count(one) == 1 and (_is_name(one) or not from_first_row)]

    def batches(self, columns: list[str], rows: Iterable[Sequence[str | None]]) -> Iterator[pa.RecordBatch]:
        """Arrow batches of strings from rows with a value for each of `columns`, in order.

        Raises:
            SourceError: a text is no valid Unicode (half of a surrogate pair).
        """
        source = iter(rows)
        pending: list[Sequence[str | None]] = []
        first_row, characters = 1, 0
        while some := list(islice(source, ROWS_BETWEEN_LOOKS)):
            pending += some
            characters += sum(map(len, filter(None, chain.from_iterable(some))))
            if len(pending) >= BATCH_ROWS or characters >= BATCH_CHARACTERS:
                yield self._batch(columns, pending, first_row)
                first_row += len(pending)
                pending, characters = [], 0
        if pending:
            yield self._batch(columns, pending, first_row)

    def _batch(self, columns: list[str], rows: list[Sequence[str | None]], first_row: int) -> pa.RecordBatch:
        values = zip(*rows, strict=True) if columns else ()
        try:
            arrays = [pa.array(column, pa.string()) for column in values]
        except UnicodeEncodeError:
            wrong = [first_row + i for i, row in enumerate(rows) if not all(map(_is_unicode, row))]
            raise SourceError(
                f"{self.name}: {row_list(wrong)} contain half of a surrogate pair, which is not a character",
                "Export the file again from its source",
            ) from None
        return self.checked(columns, arrays, first_row)

    def checked(self, columns: list[str], arrays: list[pa.Array], first_row: int) -> pa.RecordBatch:
        """A batch of string arrays whose texts are within the limits.

        Args:
            first_row: data row of the file that the batch begins with, from 1.

        Raises:
            SourceError: a text is too long or holds a NUL character, there are too many rows, or the texts are too many
                for the file's size.
        """
        limit = self.budget.limits.field_characters
        for name, array in zip(columns, arrays, strict=True):
            octets = _octets(array)
            self.text_bytes += len(octets)
            if self.settings.nul_characters == "refuse" and len(octets) and not octets.min():
                rows = _rows_where(pc.match_substring(array, "\0"), first_row)
                raise nul_error(self.name, rows, f"in column {name!r}")
            if len(octets) > limit and (long := _rows_where(pc.greater(pc.utf8_length(array), limit), first_row)):
                raise over(
                    self.name,
                    f"{row_list(long)} have more than {limit:,} characters in column {name!r}",
                    "field_characters",
                )
        if self.packed_bytes is not None:
            self.budget.check_texts(self.name, self.text_bytes, self.packed_bytes)
        self.budget.add_rows(self.name, len(arrays[0]) if arrays else 0)
        return pa.RecordBatch.from_arrays(arrays, names=columns)


@dataclass
class OpenFile(Opened):
    """A file, as a format is asked to read it.

    Attributes:
        path: where the bytes lie.
        encoding: text encoding; empty for binary formats.
        without_checksum: the format could have checksums, and this file has none; set by the reader.
    """

    path: Path = field(default_factory=Path, kw_only=True)
    encoding: str = ""
    without_checksum: bool = False


class Format(Protocol):
    """A module of `formats/` that reads one file format."""

    ENDINGS: tuple[str, ...]
    IS_TEXT: bool

    @staticmethod
    def read(file: OpenFile) -> Iterator[pa.RecordBatch]: ...


@cache
def formats() -> dict[str, Format]:
    """Every module of `formats/` that reads files, by name."""
    modules = {name: importlib.import_module(f"{FORMATS}.{name}") for name in file_names(FORMATS)}
    return {name: cast(Format, module) for name, module in sorted(modules.items()) if hasattr(module, "ENDINGS")}


def format_name(path: str, setting: str = "auto") -> str | None:
    """The format of a file: the setting, or for `auto` the one its ending stands for, if any. The ending of a packed
    file is that before `.gz`."""
    if setting != "auto":
        return setting
    return next((name for name, f in formats().items() if inner_name(path).lower().endswith(f.ENDINGS)), None)


def known_endings() -> str:
    return ", ".join(ending for f in formats().values() for ending in f.ENDINGS)


def _octets(array: pa.Array) -> np.ndarray:
    """The bytes of all texts of a string array."""
    _, offsets, data = array.buffers()
    if not len(array) or data is None:
        return np.empty(0, np.uint8)
    ends = np.frombuffer(offsets, np.int32, array.offset + len(array) + 1)[[array.offset, array.offset + len(array)]]
    return np.frombuffer(data, np.uint8)[ends[0] : ends[1]]


def _rows_where(mask: pa.Array, first_row: int) -> list[int]:
    return (np.flatnonzero(pc.fill_null(mask, False).to_numpy(zero_copy_only=False)) + first_row).tolist()


def nul_error(name: str, rows: list[int], where: str) -> SourceError:
    return SourceError(
        f"{name}: {row_list(rows)} have a NUL character {where}, where most tools cut the text",
        "Export the file again, or set source.nul_characters: keep",
    )


def as_text(value: Any) -> str | None:
    """A value of JSON or Parquet as the platform keeps it: text stays, the rest becomes JSON text."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def row_list(rows: list[int]) -> str:
    """`data row 7` or `3 data rows (7, 9, 12)`; long lists are cut."""
    if len(rows) == 1:
        return f"data row {rows[0]}"
    return f"{len(rows)} data rows ({', '.join(map(str, rows[:SHOWN]))}{', ...' if len(rows) > SHOWN else ''})"


def _suggestion(column: str, got: list[str]) -> str:
    by_folded = {" ".join(g.casefold().replace("_", " ").split()): g for g in got}
    close = difflib.get_close_matches(" ".join(column.casefold().replace("_", " ").split()), by_folded, n=1, cutoff=0.7)
    return f" (did you mean {by_folded[close[0]]!r}?)" if close else ""


def _is_unicode(text: str | None) -> bool:
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_name(header: str) -> bool:
    """Whether it is the name of a column, and not a person's data in a file without names."""
    return (
        len(header) <= 40
        and header.count(" ") <= 3
        and "@" not in header
        and sum(map(str.isdigit, header)) <= MOST_DIGITS
    )
