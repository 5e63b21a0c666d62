"""Files of a local folder: regular ones only, and none that lies elsewhere. A pipe would be waited for, a device read
for ever."""

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path

from ft_platform.errors import SourceError
from ft_platform.process.file_names import require_plain
from ft_platform.sources.budget import over
from ft_platform.sources.data_files import HIDDEN

VIRTUAL = ("/proc", "/sys")
"""Folders whose files are made by the system while they are read, some without end."""
ENTRIES_PER_FILE = 10
"""Entries of folders that are looked at, for each file that a source may have."""


def local_files(path: str, most_files: int) -> list[str]:
    """The files below a folder or those that match a glob, sorted, each once. Hidden ones are left out.

    `*`, `?` and `[...]` stand for parts of one name, `**` for any number of folders. Links to folders are followed
    where a name or pattern means them, not below a folder or `**`: what they lead to lies inside and is found anyway,
    and links in a circle have no end.

    Args:
        most_files: files that the source may have; ten times as many entries of folders are looked at.

    Raises:
        SourceError: one is not a regular file, or a symbolic link that leaves the folder; or there are too many
            entries.
    """
    looking = _Looking(path, ENTRIES_PER_FILE * most_files)
    if os.path.isdir(path):
        root, found = path, looking.below(path)
    else:
        root = _before_magic(path)
        if os.path.realpath(root) == "/":
            raise SourceError(
                f"source.uri {path} looks through the whole machine", "Name the folder that the files are in"
            )
        found = looking.matching(root, [part for part in path[len(root) :].split("/") if part])
    inside = Path(os.path.realpath(root))
    checked = set()
    for one in found:
        require_plain(one)
        if not Path(os.path.realpath(one)).is_relative_to(inside):
            raise SourceError(
                f"{one} is a symbolic link that leaves {root}", "Put the file itself there, or take the link out"
            )
        require_regular(one)
        checked.add(one)
    return sorted(checked)


def require_regular(path: str) -> None:
    """Returns if this is a regular file on a disk, or a link to one.

    Raises:
        SourceError: it is a pipe, a socket, a device, made by the system while it is read, or a link that leads
            nowhere.
    """
    try:
        mode = os.stat(path).st_mode
    except PermissionError:
        raise
    except OSError:
        raise SourceError(f"{path} is a symbolic link that leads nowhere", "Take it out of the source") from None
    if not stat.S_ISREG(mode) or any(Path(os.path.realpath(path)).is_relative_to(folder) for folder in VIRTUAL):
        raise SourceError(
            f"{path} is not a regular file", "Take it out of the source: pipes, sockets and devices are not read"
        )


class _Looking:
    """Looks through folders, and counts what it looks at."""

    def __init__(self, uri: str, most: int) -> None:
        self._uri = uri
        self._most = most
        self._looked = 0

    def below(self, folder: str) -> Iterator[str]:
        """Files and links to files. Links to folders are handed on if they leave the folder."""
        top = os.path.realpath(folder)
        folders = [folder]
        while folders:
            for entry in self._entries(folders.pop()):
                if not entry.is_dir():
                    yield entry.path
                elif not entry.is_symlink():
                    folders.append(entry.path)
                elif not Path(os.path.realpath(entry.path)).is_relative_to(top):
                    yield entry.path

    def matching(self, folder: str, parts: list[str]) -> Iterator[str]:
        """Files that match a pattern, of which `parts` are left."""
        if not parts:
            return
        part, rest = parts[0], parts[1:]
        if part == "**":
            if not rest:
                yield from self.below(folder)
                return
            yield from self.matching(folder, rest)
            for entry in self._entries(folder):
                if entry.is_dir() and not entry.is_symlink():
                    yield from self.matching(entry.path, parts)
            return
        for path, is_folder in self._named(folder, part):
            if not rest and not is_folder:
                yield path
            elif rest and is_folder:
                yield from self.matching(path, rest)

    def _named(self, folder: str, part: str) -> Iterator[tuple[str, bool]]:
        """Path of each entry whose name fits, and whether it is a folder."""
        if has_magic(part):
            yield from (
                (entry.path, entry.is_dir()) for entry in self._entries(folder) if fnmatchcase(entry.name, part)
            )
        elif os.path.lexists(path := os.path.join(folder, part)):
            yield path, os.path.isdir(path)

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        """Entries of a folder that are not hidden."""
        with os.scandir(folder) as entries:
            for entry in entries:
                self._looked += 1
                if self._looked > self._most:
                    raise over(
                        f"source.uri {self._uri}",
                        f"has more than {self._most:,} directory entries to list",
                        "files",
                    )
                if not entry.name.startswith(HIDDEN):
                    yield entry


def _before_magic(pattern: str) -> str:
    """The folder that every match of a glob is in."""
    parts = pattern.split("/")
    fixed = next((i for i, part in enumerate(parts) if has_magic(part)), len(parts) - 1)
    return "/".join(parts[:fixed]) or "/"
