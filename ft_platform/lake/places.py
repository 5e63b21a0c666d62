"""Where things lie below the root of the lake, and how small files are written there."""

import errno
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deltalake.exceptions import DeltaError, TableNotFoundError
from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import ConfigError, DiskFull, FtError, LakeUnreachable, NotWritable
from ft_platform.lake import files, modes
from ft_platform.lake.file_systems import filesystem, fsspec_options, out_of_reach, refused
from ft_platform.lake.seals import SealFolder, Seals
from ft_platform.lake.verified import Verified
from ft_platform.use_case.settings.lake_keys import VARIABLE, parsed

NOT_WRITABLE = ("Read-only file system", "Permission denied", "AccessDenied", "Access Denied")
"""Of local file systems and of S3, inside messages of deltalake."""
NOT_TAKEN = re.compile(r"\b(40[045] (?:Bad Request|Not Found|Method Not Allowed))")
"""What object_store, below deltalake, says of a request that a store does not take."""


class Places:
    """The root folder or object-store URI.

    Args:
        root: local folder or object-store URI such as `s3://bucket/prefix`.
        storage_options: `Environment.storage_options`: credentials and endpoint for an object store, in deltalake's
            names (`AWS_ENDPOINT_URL`, ...), and the keys of the zones.
        signing: keys that sign what is written and verify what is read. Without them nothing is signed, and no gate
            lets anything pass.
    """

    def __init__(
        self, root: str | Path, storage_options: dict[str, str] | None = None, signing: SealFolder | None = None
    ) -> None:
        self.signing = signing
        self._seals: dict[str, Seals] = {}
        self.root = str(root).rstrip("/")
        self.storage_options = dict(storage_options or {})
        self.keys = _keys(self.root, self.storage_options)
        options = fsspec_options(self.root, self.storage_options)
        if self.keys:
            folder = self.root.partition("://")[2]
            options["zone_keys"] = {f"{folder}/{zone}/": key for zone, key in self.keys.items()}
        self.fs, self._path = filesystem(self.root, options)
        self.is_local = isinstance(self.fs, LocalFileSystem)
        if self.is_local:
            self.root = self._path

    @property
    def folder(self) -> str:
        """The root in the lake's own file system."""
        return self._path.rstrip("/")

    def uri(self, zone: str, use_case: str, *parts: str) -> str:
        return "/".join([self.root, zone, use_case, *parts])

    def delta_options(self, zone: str) -> dict[str, str] | None:
        """With which Delta's library opens and writes tables of a zone: under its key, where it has one."""
        key = self.keys.get(zone)
        named = {"aws_server_side_encryption": "aws:kms", "aws_sse_kms_key_id": key} if key else {}
        return {**self.storage_options, **named} or None

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

    def seals(self, use_case: str) -> Seals | None:
        """The signed chain of a use case; None where this lake was opened without keys."""
        if self.signing is None:
            return None
        if use_case not in self._seals:
            self._seals[use_case] = Seals(self.fs, self._path, use_case, self.signing)
        return self._seals[use_case]

    def verified(self, use_case: str) -> Verified:
        """What was found intact before."""
        seals = self.seals(use_case)
        return seals.verified if seals else Verified(None)

    def _write_signed(self, use_case: str, path: str, value: dict[str, Any]) -> None:
        """Writes a control file and signs it."""
        content = json.dumps(value, indent=1, ensure_ascii=False, default=str).encode()
        if self.is_local:
            self.close_zone(Path(path).relative_to(self._path).parts[0])
        if seals := self.seals(use_case):
            seals.write(path, content)
        else:
            files.write_bytes(self.fs, path, content)
        self.settle(path)

    def _read_signed(self, use_case: str, path: str) -> bytes:
        """The bytes of a control file, as they were signed (`Seals.read`)."""
        seals = self.seals(use_case)
        return seals.read(path) if seals else files.read_bytes(self.fs, path)

    def _present(self, use_case: str, folder: str) -> tuple[list[str], list[str]]:
        """Names of the files in a folder of control files, and of those that were signed and are missing."""
        self.fs.invalidate_cache()

        def listed() -> list[str]:
            names = (
                [path.rsplit("/", 1)[-1] for path in self.fs.ls(folder, detail=False)] if self.fs.exists(folder) else []
            )
            return sorted(name for name in names if name.endswith(".json"))

        names, seals = listed(), self.seals(use_case)
        if seals is None:
            return names, []
        finished, missing = seals.absent(folder, set(names))
        if missing:  # a writer may have put them there since
            finished, missing = seals.absent(folder, set(names := listed()))
        return sorted({*names, *finished}), missing

    @property
    def _keys_hint(self) -> str:
        return ", or compare `lake_keys` with the policy of the bucket" if self.root.startswith("s3://") else ""

    @contextmanager
    def room_for(self, what: str) -> Iterator[None]:
        """Names a full disk, a lake that may not be written and a store that does not answer as such: deltalake reports
        them as failures to parse parquet, or of an object store."""
        try:
            with self.answering(what):
                yield
        except (OSError, DeltaError) as error:
            number = error.errno if isinstance(error, OSError) else None
            if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
                raise DiskFull(
                    f"no space left for {what} in {self.root}; the previous version is intact",
                    "Free some space and run the step again",
                ) from None
            if number in (errno.EROFS, errno.EACCES, errno.EPERM) or any(words in str(error) for words in NOT_WRITABLE):
                raise NotWritable(
                    f"{what} cannot be written: the lake {self.root} is read-only for this user; the previous version"
                    " is intact",
                    f"Give this user the right to write there{self._keys_hint}, or set FT_LAKE_ROOT to another place",
                ) from None
            said = None if self.is_local or isinstance(error, TableNotFoundError) else NOT_TAKEN.search(str(error))
            if said:
                raise NotWritable(
                    f"{what} cannot be written: the object store of the lake {self.root} does not take it ({said[1]});"
                    " the previous version is intact",
                    "Look for the bucket, and whether the store knows conditional puts:"
                    " docs/how_to/lake_on_an_object_store.md",
                ) from None
            raise

    @contextmanager
    def answering(self, what: str) -> Iterator[None]:
        """Names an object store that does not answer, or does not accept the credentials, as such, whatever type its
        client gives that.

        Raises:
            LakeUnreachable, NotWritable: it is that.
        """
        try:
            yield
        except FtError:
            raise
        except Exception as error:
            if not self.is_local and refused(error):
                raise NotWritable(
                    f"the object store of the lake {self.root} refuses these credentials ({type(error).__name__} at"
                    f" {what}); what is there is intact",
                    f"Renew them if they have expired, or give them the right to this place{self._keys_hint}",
                ) from None
            if self.is_local or not out_of_reach(error):
                raise
            raise LakeUnreachable(
                f"the object store of the lake {self.root} does not answer, or asks for patience"
                f" ({type(error).__name__} at {what}); earlier versions are intact",
                "Run the step again once the store answers",
            ) from None


def _keys(root: str, options: dict[str, str]) -> dict[str, str]:
    """Zone -> key; empty: the lake has none.

    Raises:
        ConfigError: keys are named, and the lake does not lie in S3.
    """
    keys = parsed(options.get(VARIABLE, ""))
    if keys and not root.startswith("s3://"):
        raise ConfigError(
            [f"`lake_keys` names keys, and {root} is not in S3: other stores take none for each object"],
            "Leave it out and give the bucket or container a key: docs/how_to/lake_on_an_object_store.md",
        )
    return keys
