"""A folder that is filled once, whole, by one process, however many ask for it."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ft_platform.lake.files import fsync_path


def cached_folder(place: Path, fill: Callable[[Path], None]) -> Path:
    """Returns `place`; if it does not exist, `fill` writes into a temporary folder that then becomes `place`.

    A killed process leaves no half-filled `place`. A second process waits for the first one.
    """
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent / f".{place.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.is_dir():
            return place
        temporary = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        try:
            fill(temporary)
            for path in temporary.rglob("*"):
                fsync_path(path)
            os.replace(temporary, place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        fsync_path(place.parent)
    return place
