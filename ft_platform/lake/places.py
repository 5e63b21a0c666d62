"""Where things lie below the root of the lake, and how small files are written there."""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deltalake.exceptions import DeltaError
from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import DiskFull
from ft_platform.lake import files, modes


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

    def close_zone(self, zone: str) -> None:
        """Before anything is written to a zone: on a local disk, a private one is closed to others (`lake.modes`)."""
        if self.is_local and zone in modes.PRIVATE_ZONES:
            modes.close_zone(Path(self._path, zone))

    def settle(self, path: str, tree: bool = False) -> None:
        """After something was written: on a local disk, what lies in a private zone gets its modes.

        Args:
            tree: everything in the folder too.
        """
        zone = Path(path).relative_to(self._path).parts[0] if self.is_local else ""
        if zone in modes.PRIVATE_ZONES:
            (modes.settle_tree if tree else modes.settle)(Path(path), Path(self._path, zone))

    def _write_json(self, path: str, value: dict[str, Any]) -> None:
        if self.is_local:
            self.close_zone(Path(path).relative_to(self._path).parts[0])
        files.write_bytes(self.fs, path, json.dumps(value, indent=1, ensure_ascii=False, default=str).encode())
        self.settle(path)

    @contextmanager
    def room_for(self, what: str) -> Iterator[None]:
        """Names a full disk as such: deltalake reports it as a failure to parse parquet."""
        try:
            yield
        except (OSError, DeltaError) as error:
            if (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or "No space left" in str(error):
                raise DiskFull(f"no space left for {what} in {self.root}; the version before it is intact", "Free some space and run the step again") from None
            raise
