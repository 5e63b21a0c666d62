"""Known hashes of files: what a checksum file beside them says. Bytes that changed on a disk show in nothing else: of
single flipped bits in Parquet files, 4.3 % read back as other values without an error."""

import re
from collections.abc import Callable, Iterable

from ft_platform.errors import SourceError

SUFFIX = ".sha256"
LIST_NAMES = ("SHA256SUMS", "sha256sums.txt", "SHA256SUMS.txt", "sha256sum.txt")
LISTS = frozenset(name.lower() for name in LIST_NAMES)
LINE = re.compile(r"^\\?([0-9a-fA-F]{64})(?:[ \t]+\*?(.+))?$")
MAX_CHARACTERS = 1 << 24


def is_checksum_file(path: str) -> bool:
    return path.endswith(SUFFIX) or path.rsplit("/", 1)[-1].lower() in LISTS


def known_hashes(paths: Iterable[str], read: Callable[[str], str]) -> dict[str, str]:
    """Path -> sha256 in lower case, from all checksum files among `paths`.

    Args:
        read: text of a checksum file (at most `MAX_CHARACTERS` are asked for).

    Raises:
        SourceError: a checksum file is not in the format of `sha256sum`.
    """
    known: dict[str, str] = {}
    for path in filter(is_checksum_file, paths):
        folder = path.rpartition("/")[0]
        for line in filter(None, map(str.strip, read(path).splitlines())):
            found = LINE.match(line)
            if not found or (found[2] is None and not path.endswith(SUFFIX)):
                raise SourceError(
                    f"{path} is not in the format of sha256sum (hash, two blanks, file name)",
                    "Write it again, or take it out of the source",
                )
            name = (
                path.removesuffix(SUFFIX).rpartition("/")[2] if path.endswith(SUFFIX) else found[2].removeprefix("./")
            )
            known[f"{folder}/{name}" if folder else name] = found[1].lower()
    return known


def lists_beside(path: str, exists: Callable[[str], bool]) -> list[str]:
    """Paths of the checksum files that may name this one file."""
    folder = path.rpartition("/")[0]
    beside = [f"{folder}/{name}" if folder else name for name in LIST_NAMES]
    return [one for one in (path + SUFFIX, *beside) if exists(one)]


def require_known(uri: str, sha256: str, known: str | None) -> None:
    """Returns if a file has the hash that is known of it, or none is known.

    Raises:
        SourceError: it has another one.
    """
    if known and known != sha256:
        raise SourceError(
            f"{uri} has SHA-256 {sha256[:12]}..., but {known[:12]}... is known of it: it was damaged or exchanged",
            "Copy the file again, or correct its checksum",
        )
