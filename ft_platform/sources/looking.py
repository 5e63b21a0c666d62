"""A look at a source before anything is read from it for good: its columns, and some of its rows. Nothing is kept.

Covered: rows, bytes of texts and seconds are bounded; what waits inside a driver is left behind (`sources.deadline`).
Not covered: an object store's file is fetched whole where it is small enough, since most formats need their end.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.budget import Budget
from ft_platform.sources.discovery import Found, find_parts
from ft_platform.sources.parts import Order, Part
from ft_platform.sources.source_file import SourceFile
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.source import Source

T = TypeVar("T")
ROWS = 20_000
"""Enough that a label of one row in a thousand has twenty; banking77 has 10,003 rows."""
SECONDS = 20.0
TEXT_BYTES = 64 << 20
"""Texts that are held at once: 20,000 complaints of 3 kB."""
FETCHED_BYTES = 64 << 20
"""Largest file of an object store that is fetched for a look."""


@dataclass(frozen=True)
class Looked:
    """What a look at a source has seen.

    Attributes:
        rows: all columns as strings, nested values as JSON text; a column that a file lacks is empty there.
        complete: these are all rows.
        files: files or tables of the source.
        differing: columns that some of the files read lack.
    """

    rows: pa.Table
    complete: bool
    files: int
    differing: frozenset[str] = frozenset()


def look(source: Source, environment: Environment, rows: int = ROWS, seconds: float = SECONDS) -> Looked:
    """The first rows of a source, with all columns.

    Raises:
        ConfigError, SourceError: it is missing, not allowed, or cannot be read as it should; or the look took too long.
        TransientError: the object store or database does not answer.
    """
    limits = source.limits.model_copy(
        update={"silent_seconds": max(1, min(source.limits.silent_seconds, int(seconds)))}
    )
    bounded = source.model_copy(update={"limits": limits})
    return _within(seconds, source.uri, lambda: _look(bounded, environment, rows, time.monotonic() + seconds * 0.75))


def sampled(rows: pa.Table, count: int) -> pa.Table:
    """Rows at equal distances: files are often sorted by label."""
    places = np.unique(np.linspace(0, rows.num_rows - 1, min(count, rows.num_rows)).astype(int))
    return rows.take(pa.array(places))


def _look(source: Source, environment: Environment, most: int, until: float) -> Looked:
    found = find_parts(source, environment)
    parts: list[pa.Table] = []
    with TemporaryDirectory(prefix="ft-look-") as private:
        order = Order(source, None, Path(private), Budget(source.limits))
        cuts = [_cut(part, order, parts, most, until) for part in found.parts]
    return _looked(source, found, parts, any(cuts), most)


def _cut(part: Part, order: Order, parts: list[pa.Table], most: int, until: float) -> bool:
    """Adds rows of a part to `parts`. Returns whether some were left unread."""
    if parts and _enough(parts, most, until):
        return True
    _require_small(part)
    for piece in part.pieces(None, order):
        read = pa.table({})
        with closing(piece.batches) as batches:  # type: ignore[type-var]  # each is a generator
            for batch in batches:
                read = pa.concat_tables([read, pa.Table.from_batches([batch])], promote_options="default")
                if _enough([*parts, read], most, until):
                    parts.append(read)
                    return True
        if not read.num_rows:
            raise SourceError(f"{part.uri} has no data row", "Export it again, or take it out of the source")
        parts.append(read)
    return False


def _enough(parts: list[pa.Table], most: int, until: float) -> bool:
    read, held = sum(part.num_rows for part in parts), sum(part.nbytes for part in parts)
    return bool(read) and (read >= most or held >= TEXT_BYTES or time.monotonic() >= until)


def _require_small(part: Part) -> None:
    if isinstance(part, SourceFile) and not part.is_local and (size := part.fs.size(part.path) or 0) > FETCHED_BYTES:
        raise SourceError(
            f"{part.uri} has {size >> 20:,} MiB: objects of more than {FETCHED_BYTES >> 20} are not fetched for it",
            "Look at a smaller file of the same columns",
        )


def _looked(source: Source, found: Found, parts: list[pa.Table], cut: bool, most: int) -> Looked:
    if not parts:
        raise SourceError(f"source.uri {source.uri} has no data row", "Export it again")
    rows = pa.concat_tables(parts, promote_options="default")
    everywhere = frozenset.intersection(*(frozenset(part.schema.names) for part in parts))
    return Looked(
        rows.slice(0, most),
        not cut and rows.num_rows <= most,
        len(found.parts),
        frozenset(rows.schema.names) - everywhere,
    )


def _within(seconds: float, place: str, work: Callable[[], T]) -> T:
    """What `work` returns, made in a thread that is left alone after that time.

    Raises:
        SourceError: it took longer.
    """
    made: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def make() -> None:
        try:
            made.put((work(), None))
        except BaseException as error:  # raised again where it is waited for
            made.put((None, error))

    threading.Thread(target=copy_context().run, args=(make,), daemon=True, name="ft-look").start()
    try:
        found, error = made.get(timeout=seconds)
    except Empty:
        raise SourceError(
            f"source.uri {place} was not read within {seconds:g} seconds",
            "Look at a smaller part of it, or check that its server answers",
        ) from None
    if error:
        raise error
    return found
