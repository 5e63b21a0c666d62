"""What every file format offers, and the formats that there are: one file of this folder each.

A format module has `ENDINGS` (file endings), `IS_TEXT` (whether an encoding applies) and `read(file)`, which yields arrow
batches with the mapped columns as strings (nested values as JSON text): one row per row of the file, in its order.
"""

import difflib
import importlib
import json
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

import pyarrow as pa

from ft_platform import sources
from ft_platform.errors import SourceError

BATCH_ROWS = 2048
SHOWN = 10
"""Row numbers or column names that a message lists at most."""


@dataclass
class OpenFile:
    """What a format is asked to read.

    Attributes:
        path: where the bytes lie.
        name: what messages call the file.
        mapped: columns that the record mapping names.
        optional: those of them that the file may lack.
        encoding: text encoding; empty for binary formats.
        delimiter: column delimiter, or `auto`.
        absent: optional columns that the file lacks; set by `require`.
    """

    path: Path
    name: str
    mapped: list[str]
    optional: frozenset[str] = frozenset()
    encoding: str = ""
    delimiter: str = "auto"
    absent: list[str] = field(default_factory=list)

    def require(self, columns: Iterable[str]) -> list[str]:
        """The mapped columns that are among `columns`, in the mapping's order.

        Raises:
            SourceError: a mapped column is missing and not optional, or is there twice.
        """
        got = list(columns)
        missing = [c for c in self.mapped if c not in got and c not in self.optional]
        twice = [c for c in self.mapped if got.count(c) > 1]
        problems = [f"column {c!r} is missing{_suggestion(c, got)}" for c in missing] + [f"column {c!r} is there {got.count(c)} times" for c in twice]
        if problems:
            listed = ", ".join(map(repr, got[:40])) + (f" and {len(got) - 40} more" if len(got) > 40 else "")
            raise SourceError(
                f"{self.name}: {'; '.join(problems)}. Expected {', '.join(map(repr, self.mapped))}; got {listed or 'no column'}",
                "Correct `record` in the use case, or name the column in record.optional_columns if sources may lack it",
            )
        self.absent = [c for c in self.mapped if c not in got]
        return [c for c in self.mapped if c in got]

    def batch(self, columns: list[str], values: list[list[str | None]], first_row: int) -> pa.RecordBatch:
        """An arrow batch of strings.

        Raises:
            SourceError: a text is no valid Unicode (half of a surrogate pair).
        """
        try:
            return pa.RecordBatch.from_arrays([pa.array(v, pa.string()) for v in values], names=columns)
        except UnicodeEncodeError:
            rows = [first_row + i for i in range(len(values[0])) if any(not _is_unicode(column[i]) for column in values)]
            raise SourceError(
                f"{self.name}: {row_list(rows)} hold half of a surrogate pair, which is no character", "Export the file again from its source"
            ) from None


class Format(Protocol):
    """A module of this folder that reads one file format."""

    ENDINGS: tuple[str, ...]
    IS_TEXT: bool

    @staticmethod
    def read(file: OpenFile) -> Iterator[pa.RecordBatch]: ...


@cache
def formats() -> dict[str, Format]:
    """Every module of this folder that reads a format, by name."""
    modules = {m.name: importlib.import_module(f"{sources.__name__}.{m.name}") for m in pkgutil.iter_modules(sources.__path__)}
    return {name: cast(Format, module) for name, module in sorted(modules.items()) if hasattr(module, "ENDINGS")}


def format_name(path: str, setting: str = "auto") -> str | None:
    """The format of a file: the setting, or for `auto` the one its ending stands for, if any."""
    if setting != "auto":
        return setting
    return next((name for name, f in formats().items() if path.lower().endswith(f.ENDINGS)), None)


def known_endings() -> str:
    return ", ".join(ending for f in formats().values() for ending in f.ENDINGS)


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
