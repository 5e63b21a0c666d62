"""Evidence packs that `ft evidence` wrote to its own folder, as they are listed and handed out: each by the hash of its
bytes, so that a link leads to what was linked, or to nothing."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

NAME = re.compile(r"(?P<checkpoint>[A-Za-z0-9][A-Za-z0-9_-]{0,99})\.zip")
ADDRESS = re.compile(r"/evidence/(?P<sha256>[0-9a-f]{64})\.zip")
LARGEST = 512 * 2**20
"""Bytes of a pack that is handed out: it is held in memory, and reports have a few MiB."""


class Pack(NamedTuple):
    """One pack."""

    checkpoint: str
    sha256: str
    bytes: int

    @property
    def address(self) -> str:
        """From the pages over all use cases."""
        return f"evidence/{self.sha256}.zip"


class Packs:
    """The packs in a folder.

    Args:
        folder: None: there are none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._hashes: dict[Path, tuple[tuple[int, int, int], str]] = {}

    def listed(self) -> list[Pack]:
        """Every pack, by checkpoint. Other files, and links, are left out."""
        files = sorted(self._folder.iterdir()) if self._folder and self._folder.is_dir() else []
        found = []
        for file in files:
            name = NAME.fullmatch(file.name)
            if name and file.is_file() and not file.is_symlink() and file.stat().st_size <= LARGEST:
                found.append(Pack(name["checkpoint"], self._sha256(file), file.stat().st_size))
        return found

    def content(self, path: str) -> bytes | None:
        """The pack at the path of a request, as sent and not decoded; None: there is none with these bytes."""
        asked = ADDRESS.fullmatch(path)
        for one in self.listed() if asked and self._folder else ():
            if asked and self._folder and one.sha256 == asked["sha256"]:
                content = (self._folder / f"{one.checkpoint}.zip").read_bytes()
                return content if hashlib.sha256(content).hexdigest() == one.sha256 else None
        return None

    def _sha256(self, file: Path) -> str:
        """Worked out again only for a file that was written since."""
        stat = file.stat()
        state = (stat.st_ino, stat.st_size, stat.st_ctime_ns)
        if self._hashes.get(file, (None, ""))[0] != state:
            with open(file, "rb") as opened:
                self._hashes[file] = state, hashlib.file_digest(opened, "sha256").hexdigest()
        return self._hashes[file][1]
