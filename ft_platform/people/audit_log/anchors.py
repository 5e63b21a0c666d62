"""Checkpoints in places that whoever may write the lake may not write.

Covered: a history that was written anew, with the key and the head, does not fit what is anchored. With
`retention_days` nobody can delete or replace it before that day, and what was written over it, or hidden by a mark of
deletion, is read all the same. Not covered: entries since the newest checkpoint that was anchored."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from ft_platform.errors import TransientError
from ft_platform.lake.file_systems import filesystem, fsspec_options
from ft_platform.lake.files import read_bytes, write_bytes
from ft_platform.lake.object_versions import STORES
from ft_platform.people.audit_log.locks import put_locked
from ft_platform.use_case.settings.audit_log import Anchor

CLIENTS = ("botocore", "azure", "gcsfs", "google", "aiohttp")
"""Packages of the clients of object stores."""


def put(anchor: Anchor, options: dict[str, str], origin: str, entries: int, text: str) -> None:
    """Anchors a checkpoint.

    Args:
        options: credentials, as the lake's.

    Raises:
        TransientError: the place cannot be reached or used.
    """
    with _reached(anchor):
        _put(anchor, options, f"{origin.rsplit('/', 1)[-1]}-{entries:012d}.txt", text)


def _put(anchor: Anchor, options: dict[str, str], name: str, text: str) -> None:
    fs, folder = _opened(anchor, options)
    path = f"{folder}/{name}"
    if anchor.retention_days:
        put_locked(anchor.protocol, fs, path, text.encode(), datetime.now(UTC) + timedelta(anchor.retention_days))
    elif not fs.exists(path):
        write_bytes(fs, path, text.encode())


def anchored(anchor: Anchor, options: dict[str, str]) -> list[str]:
    """Every checkpoint that was ever anchored there. Raises as `put`."""
    with _reached(anchor):
        return _anchored(anchor, options)


def _anchored(anchor: Anchor, options: dict[str, str]) -> list[str]:
    fs, folder = _opened(anchor, options)
    fs.invalidate_cache()
    if anchor.retention_days:
        paths = _versions(anchor, fs, folder)
    else:
        paths = sorted(path for path in fs.find(folder) if path.endswith(".txt"))
    return [read_bytes(fs, path).decode("utf-8", "replace") for path in paths]


@contextmanager
def _reached(anchor: Anchor) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # those of clients are no OSError, and their packages are optional
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in CLIENTS:
            raise
        raise TransientError(f"the anchor {anchor.uri} cannot be used ({type(error).__name__})") from None


def _opened(anchor: Anchor, options: dict[str, str]) -> tuple[Any, str]:
    more = {"version_aware": True} if anchor.retention_days else {}
    fs, folder = filesystem(anchor.uri, {**fsspec_options(anchor.uri, options), **more})
    return fs, folder.rstrip("/")


def _versions(anchor: Anchor, fs: Any, folder: str) -> list[str]:
    """Every version of the objects in a folder, as its file system names them."""
    bucket, _, below = folder.partition("/")
    store = STORES[anchor.protocol]
    return [store.path(bucket, one) for one in store.listing(fs, bucket)(f"{below}/" if below else "")]
