"""Atomic files and folders on a local disk or an object store.

A local write goes to a temporary name, is flushed to the disk and renamed, and the folder is flushed too, so that a
power cut leaves the old or the new file. An object store publishes a single object atomically; a folder counts once its
`manifest.json` is there, which is uploaded last.
"""

import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

TAKEN = ("PreconditionFailed", "412")
"""s3fs makes a `FileExistsError` of these only where the server names the header, as AWS does."""


def written_at(info: dict[str, Any]) -> float:
    """Seconds since 1970 of a file, from what its file system says of it; 0: it does not say."""
    moment = next((info[name] for name in ("mtime", "LastModified", "last_modified", "updated") if info.get(name)), 0.0)
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


def fsync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(fs: fsspec.AbstractFileSystem, path: str, data: bytes, mode: int = 0o666) -> None:
    """Writes one file so that a reader sees all of it or none of it.

    Args:
        mode: of a local file, less the umask.
    """
    if not isinstance(fs, LocalFileSystem):
        fs.pipe_file(path, data)
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_path(target.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until no other process holds this local file, and holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def create(fs: fsspec.AbstractFileSystem, path: str, data: bytes) -> None:
    """Writes a file that is not there yet; a reader sees all of it or none of it.

    Args:
        data: what nobody else would write. A client asks again when an answer was lost, and is then told that the file
            is there: it is its own.

    Raises:
        FileExistsError: somebody else wrote it.
    """
    if isinstance(fs, LocalFileSystem):
        _link(Path(path), data)
        return
    try:
        fs.pipe_file(path, data, mode="create")
    except OSError as error:
        if not isinstance(error, FileExistsError) and code_of(error) not in TAKEN:
            raise
        if read_bytes(fs, path) != data:
            raise FileExistsError(path) from None


def _link(target: Path, data: bytes) -> None:
    """`LocalFileSystem` looks first and writes then, so that of two at once both would have made it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_path(target.parent)


def code_of(error: BaseException | None) -> str:
    """What S3 calls a refusal; s3fs hides it behind an `OSError`. Empty: nothing."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
        error = error.__cause__
    return ""


def read_bytes(fs: Any, path: str) -> bytes:
    """The bytes of one file, on whatever file system.

    Raises:
        FileNotFoundError: there is none.
    """
    return bytes(fs.cat_file(path))


def sha256_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_hashes(folder: Path) -> dict[str, str]:
    """Relative path -> sha256 of every file below `folder`, but for `manifest.json`."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): sha256_file(p) for p in paths if str(p.relative_to(folder)) != "manifest.json"}


def move_folder(fs: fsspec.AbstractFileSystem, source: str, target: str) -> None:
    """Gives a folder another name. On an object store file by file, its `manifest.json` first: half moved it is no
    whole folder any more."""
    if isinstance(fs, LocalFileSystem):
        os.rename(source, target)
        return
    # Not `fs.mv(recursive=True)`: s3fs 2026.9 raises FileNotFoundError for the folder itself, which is no object.
    for path in sorted(fs.find(source), key=lambda path: not path.endswith("/manifest.json")):
        fs.mv(path, f"{target}{path[len(source) :]}")


def publish_folder(fs: fsspec.AbstractFileSystem, source: Path, target: str, *, readable: bool = True) -> None:
    """Moves a finished local folder to its place. Where the place is taken already (equal inputs), the old one
    stays.

    Args:
        readable: whether who writes may read there. Into the vault of an object store the platform only writes: it
            writes every file again.
    """
    if not isinstance(fs, LocalFileSystem):
        _upload_folder(fs, source, target, readable)
        return
    for path in source.rglob("*"):
        fsync_path(path)
    fsync_path(source)
    place = Path(target)
    place.parent.mkdir(parents=True, exist_ok=True)
    staged = place.with_name(f".{place.name}.{uuid.uuid4().hex}.tmp")
    try:
        if os.stat(source).st_dev == os.stat(place.parent).st_dev:
            os.rename(source, staged)
        else:
            shutil.copytree(source, staged)
            for path in staged.rglob("*"):
                fsync_path(path)
        try:
            os.rename(staged, place)
        except OSError:
            if not (place / "manifest.json").exists():
                raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    fsync_path(place.parent)


def _upload_folder(fs: fsspec.AbstractFileSystem, source: Path, target: str, readable: bool) -> None:
    fs.invalidate_cache()
    there = set(fs.find(target)) if readable else set()
    if f"{target}/manifest.json" in there:
        return
    places = {f"{target}/{path.relative_to(source)}": path for path in sorted(source.rglob("*")) if path.is_file()}
    for left in sorted(there - set(places)):  # of an upload that was killed
        fs.rm_file(left)
    manifest = places.pop(f"{target}/manifest.json")
    for place, path in places.items():
        fs.put_file(str(path), place)
    fs.put_file(str(manifest), f"{target}/manifest.json")
