"""Files that are given to people: they appear whole or not at all, and never in place of another."""

import os
from collections.abc import Iterable
from pathlib import Path

from ft_platform.errors import DataError

REMEDY = "Name another folder with --out"


def require_free(files: Iterable[Path]) -> None:
    """
    Raises:
        DataError: a file is there already; what people wrote may be in it.
    """
    if taken := [path for path in files if path.exists()]:
        names = ", ".join(path.name for path in taken)
        raise DataError(f"{names} in {taken[0].parent} already exists and may hold answers", REMEDY)


def write_new(path: Path, content: bytes) -> None:
    """A file for its owner alone, who passes it on.

    Raises:
        DataError: it is there already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
    except FileExistsError:
        raise DataError(f"{path} already exists and may hold answers", REMEDY) from None
    finally:
        aside.unlink(missing_ok=True)
