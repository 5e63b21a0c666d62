"""Where the audit log lies, and how its files are read.

`<lake>/audit_log/entries/<number of its first entry>.jsonl` holds entries, `checkpoint.txt` the newest checkpoint, and
`checkpoints/<entries>.txt` one for each file that is finished."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import CorruptVersion
from ft_platform.lake.files import fsync_path, read_bytes, write_bytes

FOLDER = "audit_log"
NEWEST = "checkpoint.txt"


@dataclass(frozen=True)
class Head:
    """How the log stands, kept outside the lake, so that a log that was cut off or put back is noticed.

    Attributes:
        entries: how many there are.
        hash: of the newest.
        tree: of all, as of `tree`, in hex.
        segment: number of the first entry of the newest file.
        offset: bytes of that file that were written before `lines`.
        lines: being written. A process that was killed left none of them, some, or half of one; whoever writes next
            goes on from here.
        checkpoint: of all entries, signed.
    """

    entries: int = 0
    hash: str = ""
    tree: tuple[str, ...] = ()
    segment: int = 0
    offset: int = 0
    lines: str = ""
    checkpoint: str = ""

    @property
    def origin(self) -> str:
        return self.checkpoint.partition("\n")[0]


def read_head(file: Path) -> Head | None:
    """None: no entry was written from this installation.

    Raises:
        CorruptVersion: the file cannot be read.
    """
    try:
        found = json.loads(file.read_bytes())
        return Head(**{**found, "tree": tuple(found["tree"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"the file {file} cannot be read ({type(error).__name__})"
        raise CorruptVersion(problem, "Restore it from a backup") from None


def write_head(file: Path, head: Head) -> None:
    write_bytes(LocalFileSystem(), str(file), json.dumps(asdict(head)).encode())


@dataclass(frozen=True)
class Files:
    """The files of a log.

    Attributes:
        fs: file system.
        folder: of the log, in it.
    """

    fs: Any
    folder: str

    def segment(self, first: int) -> str:
        return f"{self.folder}/entries/{first:012d}.jsonl"

    def checkpoint(self, entries: int) -> str:
        return f"{self.folder}/checkpoints/{entries:012d}.txt"

    def segments(self) -> list[int]:
        """Numbers of the first entries of the files."""
        return self._numbers("entries", ".jsonl")

    def checkpoints(self) -> list[int]:
        return self._numbers("checkpoints", ".txt")

    def lines(self, segments: list[int], head: Head | None = None) -> Iterator[tuple[int, list[bytes]]]:
        """The lines of each of these files, with the number that its first one should have.

        Args:
            head: what was being written when a process was killed counts as written.
        """
        writes = [head.segment] if head and head.lines else []
        for first in sorted({*segments, *writes}):
            if head and first in writes:
                content = self._before(head) + head.lines.encode()
            else:
                content = read_bytes(self.fs, self.segment(first))
            lines = content.split(b"\n")
            yield first, lines if lines[-1] else lines[:-1]

    def put(self, head: Head) -> None:
        """Writes the lines of the head at their place."""
        path, lines = self.segment(head.segment), head.lines.encode()
        if not isinstance(self.fs, LocalFileSystem):
            self.fs.pipe_file(path, self._before(head) + lines)
            return
        Path(path).parent.mkdir(exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o660), "wb") as file:
            file.seek(head.offset)
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        if not head.offset:
            fsync_path(Path(path).parent)

    def behind(self, head: Head) -> bytes | None:
        """What the newest file has behind the offset of the head; None: it is shorter."""
        path = self.segment(head.segment)
        self.fs.invalidate_cache()
        size = self.fs.size(path) if self.fs.exists(path) else 0
        if size < head.offset:
            return None
        return bytes(self.fs.cat_file(path, start=head.offset)) if size > head.offset else b""

    def _before(self, head: Head) -> bytes:
        """The newest file up to what is being written."""
        return read_bytes(self.fs, self.segment(head.segment))[: head.offset] if head.offset else b""

    def text(self, path: str) -> str | None:
        """A small file; None where there is none."""
        try:
            return read_bytes(self.fs, path).decode("utf-8", "replace")
        except FileNotFoundError:
            return None

    def _numbers(self, folder: str, ending: str) -> list[int]:
        self.fs.invalidate_cache()
        place = f"{self.folder}/{folder}"
        if not self.fs.exists(place):
            return []
        names = (path.rsplit("/", 1)[-1] for path in self.fs.ls(place, detail=False))
        stems = (name.removesuffix(ending) for name in names if name.endswith(ending))
        return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdecimal())
