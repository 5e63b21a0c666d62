"""Names of source files, which may name a person: our own messages have them for whoever reads the file, and the edge
takes them out."""

import re
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "<file>"
MOST = 100_000

_names: dict[str, None] = {}


def hide(uri: str) -> None:
    """From now on the last part of this path or URI does not pass the edge."""
    name = uri.rstrip("/").rsplit("/", 1)[-1]
    if len(name) > 2 and len(_names) < MOST:
        _names[name] = None


def without_names(text: str) -> str:
    """The same text with `<file>` for each name that is hidden."""
    found = sorted((name for name in _names if name in text), key=len, reverse=True)
    return re.sub("|".join(map(re.escape, found)), HIDDEN, text) if found else text


def source_place(uri: str) -> str:
    """Where records come from, without names of files, user names, passwords and queries: `/data/letters/<file>`,
    `s3://bucket/folder/*.parquet`."""
    if "://" in uri:
        parts = urlsplit(uri)
        uri = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    folder, slash, name = uri.rpartition("/")
    is_file = (
        re.search(r"\.\w+$", name) and not re.fullmatch(r"\*+(\.[a-z0-9]+)*", name) and not uri.endswith(f"://{name}")
    )
    return f"{folder}{slash}{HIDDEN}" if is_file else uri
