"""The proof: looks for ids, pseudonyms and texts in every byte that an installation owns, unpacked.

Covered: all files below the home, the lake and the other folders of the installation, as they lie there; and inside of
Parquet, Arrow, gzip, zstd, bzip2, xz, zip and tar files and of SQLite databases, cells that are packed by themselves
among them. Not covered: what is encrypted (the vault), services (MLflow or PostgreSQL elsewhere), backups, and earlier
versions of objects in a bucket."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ft_platform.erasure.needles import Needles
from ft_platform.erasure.unpacking import bytes_in_file
from ft_platform.lake.places import Places


@dataclass
class Searched:
    """What was looked at.

    Attributes:
        files, bytes: of the installation.
        found: file -> bytes that were found.
        not_opened: files whose inside could not be read; as they lie there they were searched.
    """

    files: int = 0
    bytes: int = 0
    found: dict[str, int] = field(default_factory=dict)
    not_opened: list[str] = field(default_factory=list)


def search(folders: Iterable[Path], lake: Places, needles: Needles, leave_out: Iterable[str] = ()) -> Searched:
    """Looks through the folders of an installation and its lake.

    Args:
        leave_out: files that are not looked at.
    """
    searched, left = Searched(), set(leave_out)
    seen = {os.path.realpath(path) for path in left}
    local = [Path(lake.folder)] if lake.is_local else []
    for path in _files([*folders, *local]):
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            _search_file(str(path), path.open, needles, searched)
    if not lake.is_local:
        lake.fs.invalidate_cache()
        for name in sorted(lake.fs.find(lake.folder)):
            if name not in left:
                _search_file(name, lambda mode, name=name: lake.fs.open(name, mode), needles, searched)
    return searched


def files_with_any(folders: Iterable[Path], needles: Needles, but: Iterable[Path]) -> list[str]:
    """Files below folders that hold something.

    Args:
        but: files and folders that are not looked at.
    """
    searched = Searched()
    for path in dict.fromkeys(_files(folders, {os.path.realpath(one) for one in but})):
        _search_file(str(path), path.open, needles, searched)
    return sorted(searched.found)


def _files(folders: Iterable[Path], but: Collection[str] = ()) -> Iterator[Path]:
    for folder in folders:
        for parent, below, names in os.walk(folder):
            real = os.path.realpath(parent)
            if real in but:
                below.clear()
                continue
            names = [name for name in names if os.path.join(real, name) not in but]
            for name in sorted(names):
                path = Path(parent, name)
                if path.is_file() and not path.is_symlink():
                    yield path


def _search_file(name: str, opened: Callable[[str], Any], needles: Needles, searched: Searched) -> None:
    try:
        with opened("rb") as file:
            found, read, whole = bytes_in_file(file, needles)
    except FileNotFoundError:  # removed since it was listed
        return
    searched.files += 1
    searched.bytes += read
    if found:
        searched.found[name] = found
    if not whole:
        searched.not_opened.append(name)
