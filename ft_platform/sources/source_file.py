"""One file of a source, on the local disk or in an object store: its hash, and a local path to read it from."""

import hashlib
import os
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import SourceError
from ft_platform.process.hidden_names import hide
from ft_platform.sources.checksums import require_known
from ft_platform.sources.deadline import answered, once
from ft_platform.sources.failures import plain_failures
from ft_platform.sources.file_format import OpenFile, format_name, formats
from ft_platform.sources.parts import Order, Piece
from ft_platform.sources.text_encoding import detect_encoding
from ft_platform.sources.unpacking import Unpacked, unpacked
from ft_platform.use_case.settings.source import Limits

SETTLED_SECONDS = 2.0
"""A file changed less than this long ago is hashed again each time: a second change might not move its time stamp."""
BLOCK_BYTES = 1 << 20
S3_PART_BYTES = 8 << 20
"""s3fs fetches ten parts at once and writes each when it is whole: with its 50 MiB a slow line would look like a silent
one."""
VERSIONS = ("ETag", "etag", "generation", "blob_id")
"""What changes with an object's bytes, as the file systems of S3, Azure, Google Cloud and the Hugging Face hub call
it."""

_hashes: dict[tuple[Any, ...], str] = {}


@dataclass(frozen=True)
class SourceFile:
    """Where one file lies.

    Attributes:
        uri: absolute local path, or URI with protocol: the file's name in messages, manifests and `source_uri`.
        path: path within `fs`.
        fs: the file system.
        known_sha256: what a checksum file, or the setting, says that its hash is.
        silent_seconds: longest wait for an object store's next bytes.
    """

    uri: str
    path: str
    fs: fsspec.AbstractFileSystem
    known_sha256: str | None = None
    silent_seconds: float = Limits().silent_seconds

    def __post_init__(self) -> None:
        hide(self.uri)

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)

    def sha256(self) -> str:
        """Hash of the bytes. While size, time and version of the file stay, it is not read again by this process.

        Raises:
            SourceError: it is not the known one.
        """
        found = self._sha256()
        require_known(self.uri, found, self.known_sha256)
        return found

    def pieces(self, sha256: str | None, order: Order) -> Iterator[Piece]:
        """What is in it: the file itself, or what is packed in it, each to be used up before the next.

        Raises:
            SourceError: it cannot be read as it should, or changed since it was hashed.
        """
        with plain_failures(self.uri, private=order.folder), self.local_path(sha256, order.folder) as path:
            _require_content(path, self.uri)
            for one in unpacked(
                path, self.uri, order.folder, order.budget, lambda name: _is_wanted(name, order.source.format)
            ):
                hide(one.name)
                _require_content(one.path, one.name)
                piece = _opened(one, order)
                yield replace(piece, batches=self._watched(piece, sha256, order))

    def _watched(self, piece: Piece, sha256: str | None, order: Order) -> Iterator[pa.RecordBatch]:
        """The batches of a piece; an error names the row, or that the file changed."""
        rows = 0
        try:
            with plain_failures(piece.opened.name, lambda: f"data row {rows:,}", order.folder):
                for batch in piece.batches:
                    yield batch
                    rows += batch.num_rows
        except SourceError:
            with plain_failures(self.uri):
                if self.is_local and sha256 and self._sha256() != sha256:
                    raise _changed(self.uri) from None
            raise

    def _sha256(self) -> str:
        if self.is_local:
            *_, found = self._hashed()
            return found
        return answered(self.uri, self.silent_seconds, self._hashed)

    def _hashed(self) -> Generator[str, None, None]:
        """The hash, after one empty text for each block."""
        identity = self._identity()
        if identity and identity in _hashes:
            yield _hashes[identity]
            return
        digest = hashlib.sha256()
        with self.fs.open(self.path, "rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)  # type: ignore[arg-type]
                yield ""
        if identity and identity == self._identity():
            _hashes[identity] = digest.hexdigest()
        yield digest.hexdigest()

    def _identity(self) -> tuple[Any, ...] | None:
        """What changes whenever the bytes change, or None where nothing does for certain."""
        if not self.is_local:
            info = self.fs.info(self.path, refresh=True) if "s3" in self.fs.protocol else self.fs.info(self.path)
            version = next((str(info[name]) for name in VERSIONS if info.get(name)), None)
            return (self.uri, version, info.get("size")) if version else None
        status = Path(self.path).stat()
        if time.time() - status.st_mtime < SETTLED_SECONDS:
            return None
        return (self.uri, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    @contextmanager
    def local_path(self, expected_sha256: str | None, folder: Path | None = None) -> Iterator[Path]:
        """A local file with exactly the hashed bytes: the file itself, or a private download that is removed
        afterwards.

        Args:
            expected_sha256: the hash it had; None where it is only looked at.
            folder: where downloads go. Default: the system's temporary folder.

        Raises:
            SourceError: the file changed since it was hashed.
        """
        if self.is_local:
            yield Path(self.path)
            if expected_sha256 and self._sha256() != expected_sha256:
                raise _changed(self.uri)
            return
        with tempfile.TemporaryDirectory(prefix="ft-source-", dir=folder) as private:
            target = Path(private) / "source"
            parts: dict[str, Any] = {"chunksize": S3_PART_BYTES} if "s3" in self.fs.protocol else {}
            written = lambda: target.stat().st_mtime_ns if target.exists() else None  # noqa: E731
            answered(
                self.uri,
                self.silent_seconds,
                lambda: once(lambda: self.fs.get_file(self.path, str(target), **parts)),
                written,
            )
            copied = SourceFile(str(target), str(target), LocalFileSystem())
            if expected_sha256 and copied.sha256() != expected_sha256:
                raise _changed(self.uri)
            yield target


def being_written(uris: Iterable[str]) -> list[str]:
    """Those of the local files that were changed moments ago, and may not be complete. What an object store shows is
    complete."""
    now = time.time()
    return [
        uri
        for uri in uris
        if uri.startswith("/") and os.path.exists(uri) and now - os.stat(uri).st_mtime < SETTLED_SECONDS
    ]


def _is_wanted(name: str, setting: str) -> bool:
    """Whether a member of an archive is data: those of another format are not."""
    return format_name(name) is not None and setting in ("auto", format_name(name))


def _opened(one: Unpacked, order: Order) -> Piece:
    reader = formats()[format_name(one.inner_name, order.source.format) or ""]
    encoding = detect_encoding(one.path, one.name, order.source.encoding) if reader.IS_TEXT else None
    name = encoding.name if encoding else ""
    opened = OpenFile(one.name, **order.asked(), path=one.path, encoding=name)
    opened.packed_bytes = one.path.stat().st_size
    return Piece(opened, reader.read(opened), encoding)


def _require_content(path: Path, name: str) -> None:
    if path.stat().st_size == 0:
        raise SourceError(f"{name} is empty (0 bytes)", "Export it again, or take it out of the source")


def _changed(uri: str) -> SourceError:
    return SourceError(f"{uri} was changed while it was read", "Run again when the file is complete")
