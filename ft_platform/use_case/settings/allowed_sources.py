"""Which hosts and schemes a source may be read from. Looked at before anything is opened: for others no request is
sent.

The list belongs to the installation, not to a use case: variable FT_SOURCES_ALLOWED, entries `scheme://host` with `*`
as in shells, separated by blanks or commas: `s3://complaints-* postgresql://db.example.org file:///srv/data`. For
object stores the host is the bucket (`abfss`: `container@account`), for files the folder, for the Hugging Face hub
`datasets/owner/name`.

Covered: scheme, host and port as written, hosts that hide in a database URL's options, chained URIs, credentials in a
URI. Not covered: what a host name resolves to, and redirects (HTTP is not read at all).
"""

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from ft_platform.errors import ConfigError, SourceError
from ft_platform.process.file_names import is_plain

VARIABLE = "FT_SOURCES_ALLOWED"
DEFAULT = ("file://*", "sample://*", "memory://*", "s3://*", "gs://*", "abfss://*", "sqlite://*")
"""Local files and the buckets that the installation's credentials open. Databases, catalogues and model hubs are named
one by one."""

SAME = {"s3a": "s3", "gcs": "gs", "abfs": "abfss", "az": "abfss", "local": "file"}
PATHS = ("file", "sqlite")
OBJECT_STORES = ("s3", "gs", "abfss", "memory", "sample")
NEVER = frozenset(
    {
        "http",
        "https",
        "ftp",
        "sftp",
        "ssh",
        "smb",
        "webdav",
        "data",
        "git",
        "github",
        "gist",
        "reference",
        "zip",
        "tar",
        "libarchive",
    }
)
"""Schemes of fsspec that are not read even if they are on the list: redirects and nested targets would pass the list
by."""
DATABASE_OPTIONS = frozenset(
    {"sslmode", "sslrootcert", "sslcert", "sslkey", "application_name", "connect_timeout", "charset", "mode", "uri"}
)
"""Options a database URL may have. Others can name another host (`host`, `hostaddr`, `service`)."""
AMBIGUOUS = re.compile(r"[\s\\\x00-\x1f\x7f]|^[^/]*//[^/]*[@%][^/]*@|^[^/]*//[^/]*%")
"""Signs in the host's part of a URI that parsers understand differently: one would be looked up in the list, another
asked."""
SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]*)://")


def scheme_of(uri: str) -> str:
    """`s3` of `s3://bucket/key`, `postgresql` of `postgresql+psycopg://...`, `file` of a path."""
    found = SCHEME.match(uri)
    scheme = found[1].lower().split("+")[0] if found else "file"
    return SAME.get(scheme, scheme)


def require_allowed(uri: str, setting: str = "source.uri") -> None:
    """Returns if the installation allows this URI.

    Raises:
        SourceError: it does not; or the URI is chained or holds a password. The URI is shown without what may be a
            secret.
    """
    scheme = scheme_of(uri)
    if scheme in PATHS and not is_plain(uri):
        raise SourceError(
            f"{setting} contains control characters such as NUL, or bytes that are not UTF-8", f"Correct {setting}"
        )
    if "::" in uri or scheme in NEVER:
        raise SourceError(
            f"{setting}: {scheme}:// and chained URIs are not supported",
            "Copy the data to a folder, a bucket or a database first",
        )
    target = _path(uri) if scheme in PATHS else _repository(uri) if scheme == "hf" else _host(uri, scheme, setting)
    if not any(_matches(entry, scheme, target) for entry in allowed_entries()):
        wanted = f"{scheme}://{target or '*'}"
        raise SourceError(
            f"{setting}: {wanted} is not on the list of allowed sources",
            f"Ask whoever runs this installation to add {wanted!r} to {VARIABLE}",
        )


def allowed_entries() -> tuple[str, ...]:
    """Entries of the list, as they are written.

    Raises:
        ConfigError: an entry is no `scheme://host`.
    """
    entries = (
        tuple(re.split(r"[\s,]+", os.environ.get(VARIABLE, "").strip()))
        if os.environ.get(VARIABLE, "").strip()
        else DEFAULT
    )
    wrong = [entry for entry in entries if not SCHEME.match(entry)]
    if wrong:
        raise ConfigError([f"{VARIABLE}: {wrong[0]!r} is not of the form scheme://host"])
    return (*entries, "sample://*")


def _matches(entry: str, scheme: str, target: str) -> bool:
    if scheme_of(entry) != scheme:
        return False
    wanted = entry.split("://", 1)[1]
    if scheme in PATHS and wanted != "*":
        return Path(target).is_relative_to(os.path.realpath(wanted))
    return fnmatchcase(target, wanted.lower().rstrip("/"))


def _repository(uri: str) -> str:
    """`datasets/owner/name` of `hf://datasets/owner/name@revision/path`, in lower case."""
    return "/".join(uri.split("://", 1)[1].split("@", 1)[0].split("/")[:3]).lower()


def _path(uri: str) -> str:
    """The real path behind a local URI. A database file has one more slash before it."""
    path = uri.split("://", 1)[1] if SCHEME.match(uri) else uri
    path = path.split("?", 1)[0].removeprefix("/") if scheme_of(uri) == "sqlite" else path
    return os.path.realpath(os.path.expanduser(path))


def _host(uri: str, scheme: str, setting: str) -> str:
    """Host and port of a URI, in lower case.

    Raises:
        SourceError: it holds a password, or options that may name another host.
    """
    try:
        if AMBIGUOUS.search(uri):
            raise ValueError
        parts = urlsplit(uri)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise SourceError(f"{setting} is not a URI", "Use a local path or a URI such as s3://bucket/key") from None
    if parts.password is not None:
        raise SourceError(
            f"{setting} contains a password",
            "Put it into a variable, name that in source.password_variable, and remove it from the URI",
        )
    options = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if scheme not in OBJECT_STORES and not options <= DATABASE_OPTIONS:
        raise SourceError(
            f"{setting}: options {', '.join(sorted(options - DATABASE_OPTIONS))} are not supported", "Remove them"
        )
    host = (parts.hostname or "").rstrip(".") + port
    return f"{parts.username}@{host}".lower() if scheme == "abfss" and parts.username else host
