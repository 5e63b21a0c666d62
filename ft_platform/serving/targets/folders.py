"""Exported models in a folder that the machines of a target see too."""

import os
import shutil
import tempfile
from pathlib import Path

from ft_platform.serving.exporting.matrix import TOLD


def put(exported: Path, place: Path) -> None:
    """Copies an exported model there, whole or not at all. One that is there already is kept: a release never changes,
    and a server may be reading it."""
    if (place / TOLD).is_file():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    remove(place)
    made = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        shutil.copytree(exported, made, dirs_exist_ok=True)
        made.chmod(0o755)
        os.rename(made, place)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def remove(place: Path) -> None:
    """Takes it away, with what a killed process left beside it."""
    for one in (place, *place.parent.glob(f".{place.name}-*")):
        if one.exists():
            shutil.rmtree(one)
