"""Which files a source means right now, and the hash of each: what the sensor compares and `raw_records` starts from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ft_platform.environment import Environment
from ft_platform.errors import FtError, SourceError, TransientError
from ft_platform.lake.files import filesystem, fsspec_options
from ft_platform.sources.formats import format_name, known_endings
from ft_platform.sources.source_file import SourceFile
from ft_platform.use_case import Source

GLOB_CHARACTERS = frozenset("*?[")


@dataclass(frozen=True)
class Found:
    """The files of a source, sorted by URI, and how many in its folder are of no known format."""

    files: list[SourceFile]
    ignored: int = 0


def fingerprint(source: Source, environment: Environment) -> dict[str, str]:
    """URI -> sha256 of the bytes of every file the source means now.

    Raises:
        SourceError: there is none; the message says what was looked for.
        TransientError: the object store does not answer.
    """
    return hashes(find_files(source, environment).files)


def hashes(files: list[SourceFile]) -> dict[str, str]:
    try:
        return {file.uri: file.sha256() for file in files}
    except FileNotFoundError:
        raise SourceError("a file of the source disappeared while it was read", "Run again") from None
    except PermissionError:
        raise SourceError("a file of the source may not be read", "Give this user read access to the source") from None


def find_files(source: Source, environment: Environment) -> Found:
    """Resolves `source.uri`: one file, all files of known formats below a folder, or a glob. Hidden files do not count."""
    uri = _sample_path(source.uri, environment) if source.uri.startswith("sample://") else source.uri
    try:
        fs, path = filesystem(uri, fsspec_options(uri, environment.storage_options()))
        fs.invalidate_cache()
        try:
            found = _resolve(source, fs, path)
        except FileNotFoundError:  # a bucket that does not exist
            found = Found([])
    except FtError:
        raise
    except PermissionError:
        raise SourceError(f"source.uri {source.uri} may not be read", "Give this user read access, or set its credentials") from None
    except ValueError as error:
        raise SourceError(
            f"source.uri {source.uri} is not a URI that can be read: {error}", "Use a local path or an fsspec URI such as s3://bucket/key"
        ) from None
    except Exception as error:
        raise TransientError(
            f"source.uri {source.uri} cannot be reached ({type(error).__name__})", "Check network, endpoint and credentials, then run again"
        ) from None
    if not found.files:
        raise SourceError(f"source.uri {source.uri}: {_looked_for(source, fs, path, found.ignored)}", "Correct source.uri, or put the file there")
    return found


def _resolve(source: Source, fs: fsspec.AbstractFileSystem, path: str) -> Found:
    if fs.isfile(path):
        if format_name(path, source.format) is None:
            raise SourceError(f"source.uri {source.uri} has none of the endings {known_endings()}", "Set source.format to csv, jsonl, json or parquet")
        return Found([_source_file(fs, path)])
    listed: dict[str, dict[str, Any]] = dict(fs.glob(path, detail=True) if _is_glob(path) and not fs.isdir(path) else fs.find(path, detail=True))  # type: ignore
    paths = [p for p, info in listed.items() if info["type"] == "file" and not _is_hidden(p, path)]
    chosen = [p for p in paths if _belongs(p, source.format, only_format=not _is_glob(path))]
    return Found(sorted((_source_file(fs, p) for p in chosen), key=lambda f: f.uri), ignored=len(paths) - len(chosen))


def _belongs(path: str, setting: str, *, only_format: bool) -> bool:
    """In a folder a set format chooses the files of its endings; a glob has chosen already."""
    by_ending = format_name(path)
    if setting == "auto":
        return by_ending is not None
    return by_ending == setting if only_format else True


def _source_file(fs: fsspec.AbstractFileSystem, path: str) -> SourceFile:
    local = isinstance(fs, LocalFileSystem)
    return SourceFile(uri=path if local else fs.unstrip_protocol(path), path=path, fs=fs)


def _is_glob(path: str) -> bool:
    return not GLOB_CHARACTERS.isdisjoint(path)


def _is_hidden(path: str, root: str) -> bool:
    """`.name` and `_name` (as in `_SUCCESS`, `_temporary/`) below the root are not data."""
    below = path.removeprefix(root) if not _is_glob(root) else path.rsplit("/", 1)[-1]
    return any(part.startswith((".", "_")) for part in below.split("/"))


def _looked_for(source: Source, fs: fsspec.AbstractFileSystem, path: str, ignored: int) -> str:
    kind = known_endings() if source.format == "auto" else source.format
    if _is_glob(path) and not fs.isdir(path):
        return f"no file matches {path} with a known format ({kind}); {ignored} matched without one"
    if fs.isdir(path):
        return f"the folder {path} has no file of format {kind}, only {ignored} others"
    return f"there is no file or folder {path}"


def _sample_path(uri: str, environment: Environment) -> str:
    from ft_platform.samples import sample_file

    path: Path = sample_file(uri, environment.home / "samples")
    return str(path)
