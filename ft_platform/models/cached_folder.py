"""A folder that is filled once, whole, by one process, however many ask for it."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import CorruptVersion
from ft_platform.lake.files import fsync_path, locked, write_bytes
from ft_platform.models.folder_hash import folder_sha256


def cached_folder(place: Path, fill: Callable[[Path], None]) -> Path:
    """Returns `place`; if it does not exist, `fill` writes into a temporary folder that then becomes `place`.

    A killed process leaves no half-filled `place`. A second process waits for the first one.
    """
    if place.is_dir():
        return place
    with _alone(place) as temporary:
        if not place.is_dir():
            fill(temporary)
            _put(temporary, place)
    return place


def compared_folder(
    place: Path,
    fill: Callable[[Path], None],
    noted: Path | None,
    hash_of: Callable[[Path], str] = folder_sha256,
) -> tuple[Path, str]:
    """As `cached_folder`, for what is made from files of known hash; and the hash of what was made. It is compared
    with the one of when it was made, which is kept where whoever may write the cache may not write. What nobody noted
    is made again, and compared.

    Args:
        noted: file outside the cache with the hashes; None: nothing is compared.
        hash_of: what the hash of a folder covers.

    Raises:
        CorruptVersion: the folder was changed since it was filled.
    """
    if noted is None:
        return cached_folder(place, fill), hash_of(place)
    if not place.is_dir() or place.name not in _read(noted):
        with _alone(place) as temporary:
            if not place.is_dir() or place.name not in _read(noted):
                fill(temporary)
                digest = hash_of(temporary)
                if place.is_dir() and hash_of(place) != digest:
                    shutil.rmtree(place)
                _note(noted, place.name, digest)
                if not place.is_dir():
                    _put(temporary, place)
    if (digest := hash_of(place)) != _read(noted)[place.name]:
        raise CorruptVersion(
            f"{place} was changed since it was made",
            "Find out who changed it. Then remove the folder: it is made again",
        )
    return place, digest


@contextmanager
def _alone(place: Path) -> Iterator[Path]:
    """A temporary folder beside `place`; a second process waits."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent / f".{place.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        temporary = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _put(temporary: Path, place: Path) -> None:
    for path in temporary.rglob("*"):
        fsync_path(path)
    os.replace(temporary, place)
    fsync_path(place.parent)


def _read(noted: Path) -> dict[str, str]:
    try:
        return json.loads(noted.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise CorruptVersion(f"{noted} is damaged", "Remove it: what it names is made again") from None


def _note(noted: Path, name: str, digest: str) -> None:
    with locked(noted.parent / "locks" / f"{noted.stem}.lock"):
        write_bytes(LocalFileSystem(), str(noted), json.dumps({**_read(noted), name: digest}, indent=1).encode())
