"""Where things lie below the root of the lake, and how small files are written there."""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deltalake.exceptions import DeltaError
from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import DiskFull, NotWritable
from ft_platform.lake import files

NOT_WRITABLE = ("Read-only file system", "Permission denied", "AccessDenied", "Access Denied")
"""Of local file systems and of S3, inside messages of deltalake."""


class Places:
    """The root folder or object-store URI.

    Args:
        root: local folder or object-store URI such as `s3://bucket/prefix`.
        storage_options: credentials and endpoint for an object store, in deltalake's names (`AWS_ENDPOINT_URL`, ...).
    """

    def __init__(self, root: str | Path, storage_options: dict[str, str] | None = None) -> None:
        self.root = str(root).rstrip("/")
        self.storage_options = dict(storage_options or {})
        self.fs, self._path = files.filesystem(self.root, files.fsspec_options(self.root, self.storage_options))
        self.is_local = isinstance(self.fs, LocalFileSystem)
        if self.is_local:
            self.root = self._path

    def uri(self, zone: str, use_case: str, *parts: str) -> str:
        return "/".join([self.root, zone, use_case, *parts])

    def path_of(self, zone: str, use_case: str, *parts: str) -> str:
        return "/".join([self._path.rstrip("/"), zone, use_case, *parts])

    def _write_json(self, path: str, value: dict[str, Any]) -> None:
        files.write_bytes(self.fs, path, json.dumps(value, indent=1, ensure_ascii=False, default=str).encode())

    @contextmanager
    def room_for(self, what: str) -> Iterator[None]:
        """Names a full disk and a lake that may not be written as such: deltalake reports them as failures to parse parquet, or of an object store."""
        try:
            yield
        except (OSError, DeltaError) as error:
            number = error.errno if isinstance(error, OSError) else None
            if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
                raise DiskFull(f"no space left for {what} in {self.root}; the version before it is intact", "Free some space and run the step again") from None
            if number in (errno.EROFS, errno.EACCES, errno.EPERM) or any(words in str(error) for words in NOT_WRITABLE):
                raise NotWritable(
                    f"{what} cannot be written: the lake {self.root} is read-only for this user; the version before it is intact",
                    "Give this user the right to write there, or set FT_LAKE_ROOT to another place",
                ) from None
            raise
