"""Takes words out of files that programs print into: output of steps, withheld texts, logs.

A file keeps its length and place, so a process that still writes into it loses nothing. Covered: plain text. Not
covered: packed files, which the proof will find."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from ft_platform.erasure.needles import Needles
from ft_platform.erasure.unpacking import PART_BYTES, SQLITE, STREAMS

FILLED = b"*"
OF_DATABASES = ("-wal", "-shm", "-journal")
"""Endings of files that belong to a database; it mends them itself."""
PACKED = (*STREAMS, SQLITE, b"PK\x03\x04", b"PAR1", b"ARROW1")


def mend_output(folders: Iterable[Path], needles: Needles, before: Callable[[], None] = lambda: None) -> int:
    """Covers each word with signs of the same length. Returns how many files were changed.

    Args:
        before: called before a file is changed.
    """
    changed = 0
    for path, places in files_with(folders, needles):
        before()
        with path.open("r+b") as file:
            for start, end in places:
                file.seek(start)
                file.write(FILLED * (end - start))
        changed += 1
    return changed


def files_with(folders: Iterable[Path], needles: Needles) -> Iterator[tuple[Path, list[tuple[int, int]]]]:
    """Files that hold a word, with beginning and end of each."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.endswith(OF_DATABASES):
                with path.open("rb") as file:
                    places = [] if file.read(16).startswith(PACKED) else list(_places(file, needles))
                if places:
                    yield path, places


def _places(file: BinaryIO, needles: Needles) -> Iterator[tuple[int, int]]:
    """Beginning and end of each word in a file, which is read part by part; parts overlap, so that what stands at the
    edge of one is judged in the other."""
    first = 0
    while True:
        file.seek(first)
        part = file.read(PART_BYTES)
        is_last = len(part) < PART_BYTES
        for start, end in needles.places(part):
            if (start or not first) and (end < len(part) or is_last):
                yield first + start, first + end
        if is_last:
            return
        first += PART_BYTES - 2 * needles.longest
