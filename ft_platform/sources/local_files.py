"""Files of a local folder: regular ones only, and none that lies elsewhere. A pipe would be waited for, a device read for ever."""

import os
import stat
from collections.abc import Iterator
from glob import glob, has_magic
from pathlib import Path

from ft_platform.errors import SourceError

HIDDEN = (".", "_")
"""`.name` and `_name` (as in `_SUCCESS`, `_temporary/`) are not data."""


def is_hidden(path: str) -> bool:
    """Whether a file, by its path in a folder or archive, is no data."""
    return any(part.startswith(HIDDEN) for part in path.split("/"))


def local_files(path: str) -> list[str]:
    """The files below a folder or those that match a glob, sorted. Hidden ones are left out.

    Raises:
        SourceError: one is not a regular file, or a symbolic link that leaves the folder.
    """
    if os.path.isdir(path):
        root, found = path, _walk(path)
    else:
        matches = (one for one in glob(path, recursive=True) if not os.path.isdir(one))
        root, found = _before_magic(path), (one for one in matches if not os.path.basename(one).startswith(HIDDEN))
    inside = Path(os.path.realpath(root))
    checked = []
    for one in found:
        if not Path(os.path.realpath(one)).is_relative_to(inside):
            raise SourceError(f"{one} is a symbolic link that leaves {root}", "Put the file itself there, or take the link out")
        require_regular(one)
        checked.append(one)
    return sorted(checked)


def require_regular(path: str) -> None:
    """Returns if this is a regular file, or a link to one.

    Raises:
        SourceError: it is a pipe, a socket, a device or a link that leads nowhere.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError:
        raise SourceError(f"{path} is a symbolic link that leads nowhere", "Take it out of the source") from None
    if not stat.S_ISREG(mode):
        raise SourceError(f"{path} is not a regular file", "Take it out of the source: pipes, sockets and devices are not read")


def _walk(folder: str) -> Iterator[str]:
    """Files and links to files. Links to folders are handed on as they are: one that stays inside leads to files that are found anyway."""
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(HIDDEN)]
        for name in files:
            if not name.startswith(HIDDEN):
                yield os.path.join(parent, name)
        for name in folders:
            link = os.path.join(parent, name)
            if os.path.islink(link) and not Path(os.path.realpath(link)).is_relative_to(os.path.realpath(folder)):
                yield link


def _raise(error: OSError) -> None:
    raise error


def _before_magic(pattern: str) -> str:
    """The folder that every match of a glob is in."""
    parts = pattern.split("/")
    fixed = next((i for i, part in enumerate(parts) if has_magic(part)), len(parts) - 1)
    return "/".join(parts[:fixed]) or "/"
