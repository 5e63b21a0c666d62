"""What the name of a file says: whether it holds data, and how it is packed."""

from pathlib import Path

HIDDEN = (".", "_")
"""`.name` and `_name` (as in `_SUCCESS`, `_temporary/`) are not data."""
PACKED_ENDINGS = (".gz", ".zst", ".zip")


def is_hidden(path: str) -> bool:
    """Whether a file, by its path in a folder or archive, is no data."""
    return any(part.startswith(HIDDEN) for part in path.split("/"))


def inner_name(path: str) -> str:
    """The name without the ending of the packing: `a.csv` of `a.csv.gz`. An archive keeps its name."""
    return path[: -len(Path(path).suffix)] if path.lower().endswith((".gz", ".zst")) else path


def is_archive(path: str) -> bool:
    return path.lower().endswith(".zip")
