"""Which files or tables a source means right now, and the hash of each: what the sensor compares and `raw_records`
starts from."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import FtError, SourceError, TransientError
from ft_platform.lake.file_systems import filesystem, fsspec_options
from ft_platform.process.file_names import require_plain
from ft_platform.sources.budget import over
from ft_platform.sources.checksums import MAX_CHARACTERS, is_checksum_file, known_hashes, lists_beside
from ft_platform.sources.data_files import PACKED_ENDINGS, is_archive, is_hidden
from ft_platform.sources.deadline import answered, once
from ft_platform.sources.failures import of_system, plain_failures
from ft_platform.sources.file_format import format_name, known_endings
from ft_platform.sources.formats.delta import LOG
from ft_platform.sources.local_files import local_files, require_regular
from ft_platform.sources.parts import Part
from ft_platform.sources.saved_dataset import saved_files
from ft_platform.sources.source_file import SourceFile
from ft_platform.sources.table_sources import find_table
from ft_platform.use_case.settings.allowed_sources import require_allowed, scheme_of
from ft_platform.use_case.settings.ceilings import require_ceilings
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.source import Source

GLOB_CHARACTERS = frozenset("*?[")


@dataclass(frozen=True)
class Found:
    """The files of a source, sorted by URI, or its one table, and how many files in its folder are of no known
    format."""

    parts: Sequence[Part]
    ignored: int = 0


def fingerprint(source: Source, environment: Environment) -> dict[str, str]:
    """URI -> hash of the content of every file or table the source means now; of a file, the sha256 of its bytes.

    Raises:
        SourceError: there is none; the message says what was looked for.
        TransientError: the object store or database does not answer.
    """
    return hashes(find_parts(source, environment).parts)


def hashes(parts: Sequence[Part]) -> dict[str, str]:
    """URI -> hash of each.

    Raises:
        SourceError: one is gone or cannot be read; the message names it.
        TransientError: a database does not answer.
    """
    found = {}
    for part in parts:
        with plain_failures(part.uri):
            found[part.uri] = part.sha256()
    return found


def find_parts(source: Source, environment: Environment) -> Found:
    """Resolves `source.uri`: a table, one file, all files of known formats below a folder, or a glob. Hidden files do
    not count.

    Raises:
        ConfigError: its limits are beyond the ceilings of the installation.
        SourceError: nothing is there, it is not on the list of allowed sources, or there is too much.
        TransientError: the object store does not answer.
    """
    require_allowed(source.uri)
    require_ceilings(source, environment.policy)
    if table := find_table(source, environment):
        return Found([table])
    uri = _sample_path(source.uri, environment) if source.uri.startswith("sample://") else source.uri
    try:
        fs, path = filesystem(uri, fsspec_options(uri, environment.storage_options()))
        fs.invalidate_cache()
        try:
            local = isinstance(fs, LocalFileSystem)
            if local:
                found = _resolve(source, fs, path)
            else:
                found = answered(uri, source.limits.silent_seconds, lambda: once(lambda: _resolve(source, fs, path)))
        except FileNotFoundError:  # a bucket that does not exist
            found = Found([])
    except FtError:
        raise
    except PermissionError as error:
        which = f": {error.filename}" if error.filename else ""
        raise SourceError(
            f"source.uri {source.uri} may not be read{which}", "Give this user read access, or set its credentials"
        ) from None
    except ValueError:
        raise SourceError(
            f"source.uri {source.uri} is not a readable URI",
            "Use a local path or an fsspec URI such as s3://bucket/key",
        ) from None
    except OSError as error:
        if scheme_of(source.uri) in ("file", "sample"):
            raise of_system(f"source.uri {source.uri}", error) from None
        raise _not_reached(source) from None
    except (
        Exception
    ):  # each object store's client raises kinds of its own: a network that fails, credentials that are wrong
        raise _not_reached(source) from None
    if not found.parts:
        raise SourceError(
            f"source.uri {source.uri}: {_looked_for(source, fs, path, found.ignored)}",
            "Correct source.uri, or put the file there",
        )
    if len(found.parts) > source.limits.files:
        raise over(f"source.uri {source.uri}", f"matches more than {source.limits.files:,} files", "files")
    return found


def _not_reached(source: Source) -> TransientError:
    return TransientError(
        f"source.uri {source.uri} cannot be reached", "Check network, endpoint and credentials, then run again"
    )


def _resolve(source: Source, fs: fsspec.AbstractFileSystem, path: str) -> Found:
    local = isinstance(fs, LocalFileSystem)
    if local and os.path.exists(path) and not os.path.isdir(path):
        require_regular(path)
    if fs.isfile(path):
        if format_name(path, source.format) is None and not is_archive(path):
            raise SourceError(
                f"source.uri {source.uri} has none of the extensions {known_endings()}",
                "Set source.format to the format it has",
            )
        known = known_hashes(lists_beside(path, fs.exists), lambda one: _text(fs, one))
        return Found([_source_file(source, fs, path, source.sha256 or known.get(path))])
    if source.sha256:
        raise SourceError(
            f"source.sha256 is set, but source.uri {source.uri} is not one file",
            "Put a file SHA256SUMS beside the files, and leave it out",
        )
    if fs.exists(f"{path.rstrip('/')}/{LOG}"):
        raise SourceError(
            f"source.uri {source.uri} is a Delta table, whose files also contain deleted rows",
            "Set source.format: delta",
        )
    if fs.isdir(path) and (saved := saved_files(fs, path.rstrip("/"))):
        return Found([_source_file(source, fs, one, None) for one in sorted(saved)])
    paths = local_files(path, source.limits.files) if local else _remote_files(fs, path)
    known = known_hashes(paths, lambda one: _text(fs, one))
    paths = [one for one in paths if not is_checksum_file(one)]
    chosen = [one for one in paths if _belongs(one, source.format, only_format=not _is_glob(path))]
    return Found(
        [_source_file(source, fs, one, known.get(one)) for one in sorted(chosen)], ignored=len(paths) - len(chosen)
    )


def _remote_files(fs: fsspec.AbstractFileSystem, path: str) -> list[str]:
    """Files below a folder of an object store, or that match a glob; hidden ones are left out."""
    listed = fs.glob(path, detail=True) if _is_glob(path) and not fs.isdir(path) else fs.find(path, detail=True)
    return [one for one, info in dict(listed).items() if info["type"] == "file" and not _is_hidden(one, path)]  # type: ignore[arg-type]


def _belongs(path: str, setting: str, *, only_format: bool) -> bool:
    """In a folder a set format chooses the files of its endings; a glob has chosen already. What an archive holds shows
    when it is opened."""
    by_ending = format_name(path)
    if setting == "auto":
        return by_ending is not None or is_archive(path)
    return by_ending == setting or is_archive(path) or not only_format


def _source_file(source: Source, fs: fsspec.AbstractFileSystem, path: str, known_sha256: str | None) -> SourceFile:
    local = isinstance(fs, LocalFileSystem)
    require_plain(path)
    uri = path if local else fs.unstrip_protocol(path)
    return SourceFile(uri=uri, path=path, fs=fs, known_sha256=known_sha256, silent_seconds=source.limits.silent_seconds)


def _text(fs: fsspec.AbstractFileSystem, path: str) -> str:
    with fs.open(path, "rb") as file:
        return file.read(MAX_CHARACTERS).decode("utf-8", "replace")  # type: ignore[union-attr]


def _is_glob(path: str) -> bool:
    return not GLOB_CHARACTERS.isdisjoint(path)


def _is_hidden(path: str, root: str) -> bool:
    return is_hidden(path.removeprefix(root) if not _is_glob(root) else path.rsplit("/", 1)[-1])


def _looked_for(source: Source, fs: fsspec.AbstractFileSystem, path: str, ignored: int) -> str:
    kind = f"{known_endings()}, alone or with {', '.join(PACKED_ENDINGS)}" if source.format == "auto" else source.format
    if _is_glob(path) and not fs.isdir(path):
        return f"no file matches {path} with a known format ({kind}); {ignored} matched without one"
    if fs.isdir(path):
        return f"the folder {path} has no file of format {kind}, only {ignored} others"
    return f"there is no file or folder {path}"


def _sample_path(uri: str, environment: Environment) -> str:
    from ft_platform.sources.samples import sample_file

    path: Path = sample_file(uri, environment.home / "samples")
    return str(path)
