"""What was compared with its hash before, so that only what changed since is read again.

A stored file is told by its object version: on a local disk inode, size and times of modification and of the last
change of the inode, which no program sets; on an object store its ETag, size and time. The list lies outside the lake,
in the folder of seals. Not covered: a disk that gives back other bytes although nothing was written; a full comparison
is `ft seals verify`.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ft_platform.lake.files import write_bytes

MOST = 20_000
"""Entries that are kept, the newest."""


class Verified:
    """Remembers what was found intact.

    Args:
        file: where the list is kept; None: nothing is remembered.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._known: dict[str, str] | None = None

    def holds(self, what: str, state: str) -> bool:
        """Whether `what` was found intact in this state."""
        return self._load().get(what) == state

    def add(self, what: str, state: str) -> None:
        """Remembers it. Whoever may not write the list reads everything each time."""
        known = self._load()
        known.pop(what, None)
        known[what] = state
        if self._file is None:
            return
        kept = dict(list(known.items())[-MOST:])
        try:
            write_bytes(LocalFileSystem(), str(self._file), json.dumps(kept).encode())
        except OSError:
            return

    def _load(self) -> dict[str, str]:
        if self._known is None:
            try:
                self._known = dict(json.loads(self._file.read_bytes())) if self._file else {}
            except (OSError, ValueError):  # nothing is known then, and all is read
                self._known = {}
        return self._known


def object_version(fs: fsspec.AbstractFileSystem, path: str) -> str:
    """Changes when somebody writes the file.

    Raises:
        FileNotFoundError: there is none.
    """
    if isinstance(fs, LocalFileSystem):
        found = os.stat(path)
        return f"{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"
    info: dict[str, Any] = fs.info(path)
    tag = next((info[name] for name in ("ETag", "etag", "md5Hash") if info.get(name)), "")
    moment = next((info[name] for name in ("LastModified", "last_modified", "mtime", "updated") if info.get(name)), "")
    return f"{tag}:{info['size']}:{moment}"


def state_of(fs: fsspec.AbstractFileSystem, paths: list[str], more: str = "") -> str:
    """One hash over the object versions of several files."""
    text = "\n".join([more, *(f"{path}={object_version(fs, path)}" for path in sorted(paths))])
    return hashlib.sha256(text.encode()).hexdigest()
