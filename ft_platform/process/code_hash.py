"""Which code wrote a version: the package's version and a hash of its files, so that a changed checkout does not pass
as the release."""

import hashlib
from functools import cache
from pathlib import Path

from ft_platform import __version__

PACKAGE = Path(__file__).parent.parent
DIGITS = 12
NO_CODE = ("__pycache__", "defs")
"""Compiled files, and use cases: their settings have hashes of their own."""


@cache
def code() -> str:
    """`0.2.0+3f9c0a1b2d4e`: version of the package, and hash of its files as this process found them first."""
    return f"{__version__}+{files_hash(PACKAGE)}"


def files_hash(package: Path) -> str:
    """12 hex digits over names and contents of a package's files: modules, word lists, templates. Equal in a checkout
    and a wheel."""
    digest = hashlib.sha256()
    for path in sorted(path for path in package.rglob("*") if path.is_file()):
        name = path.relative_to(package)
        if not any(part in NO_CODE or part.startswith(".") for part in name.parts):
            digest.update(f"{name.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:DIGITS]
