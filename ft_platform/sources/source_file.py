"""One file of a source, on the local disk or in an object store: its hash, and a local path to read it from."""

import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import SourceError

SETTLED_SECONDS = 2.0
"""A file changed less than this long ago is hashed again each time: a second change might not move its time stamp."""

_hashes: dict[tuple[Any, ...], str] = {}


@dataclass(frozen=True)
class SourceFile:
    """Where one file lies.

    Attributes:
        uri: absolute local path, or URI with protocol: the file's name in messages, manifests and `source_uri`.
        path: path within `fs`.
        fs: the file system.
    """

    uri: str
    path: str
    fs: fsspec.AbstractFileSystem

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)

    def sha256(self) -> str:
        """Hash of the bytes. While size, time and version of the file stay, it is not read again by this process."""
        identity = self._identity()
        if identity and identity in _hashes:
            return _hashes[identity]
        with self.fs.open(self.path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        if identity and identity == self._identity():
            _hashes[identity] = digest
        return digest

    def _identity(self) -> tuple[Any, ...] | None:
        """What changes whenever the bytes change, or None where nothing does for certain."""
        if not self.is_local:
            info = self.fs.info(self.path, refresh=True) if "s3" in self.fs.protocol else self.fs.info(self.path)
            return (self.uri, info["ETag"], info.get("size")) if info.get("ETag") else None
        status = Path(self.path).stat()
        if time.time() - status.st_mtime < SETTLED_SECONDS:
            return None
        return (self.uri, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    @contextmanager
    def local_path(self, expected_sha256: str) -> Iterator[Path]:
        """A local file with exactly the hashed bytes: the file itself, or a private download that is removed afterwards.

        Raises:
            SourceError: the file changed since it was hashed.
        """
        if self.is_local:
            yield Path(self.path)
            if self.sha256() != expected_sha256:
                raise _changed(self.uri)
            return
        with tempfile.TemporaryDirectory(prefix="ft-source-") as folder:
            target = Path(folder) / "source"
            self.fs.get_file(self.path, str(target))
            if SourceFile(str(target), str(target), LocalFileSystem()).sha256() != expected_sha256:
                raise _changed(self.uri)
            yield target


def _changed(uri: str) -> SourceError:
    return SourceError(f"{uri} was changed while it was read", "Run again once the file is written completely")
