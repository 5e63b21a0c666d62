"""Packed files: gzip, Zstandard, and zip archives of files of any format. Unpacked into the private folder, a piece at
a time.

Not read: an archive in an archive, which is an error, because nobody would notice what is missing.
"""

import errno
import gzip
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.process.file_names import is_plain
from ft_platform.sources.budget import Budget, over
from ft_platform.sources.data_files import inner_name, is_archive, is_hidden

CHUNK_BYTES = 1 << 20
REMEDY = "Pack the file again"


@dataclass(frozen=True)
class Unpacked:
    """What a file, or one member of an archive, is after unpacking.

    Attributes:
        name: what messages and `source_uri` call it: the file's URI, with `!/member` for a member of an archive.
        path: where the bytes lie.
        inner_name: file name whose ending says the format.
    """

    name: str
    path: Path
    inner_name: str


def unpacked(path: Path, name: str, folder: Path, budget: Budget, wanted: Callable[[str], bool]) -> Iterator[Unpacked]:
    """The file itself, or what is packed in it; each unpacked copy is removed before the next is made.

    Args:
        name: the file's URI; its ending says how it is packed.
        folder: private folder.
        wanted: which files of an archive, by their name in it.

    Raises:
        SourceError: damaged, encrypted, or beyond the limits.
    """
    if is_archive(name):
        yield from _members(path, name, folder, budget, wanted)
    elif inner_name(name) != name:
        target = folder / "unpacked"
        with _stream(path, name) as packed:
            _copy(packed, target, name, path.stat().st_size, budget)
        yield Unpacked(name, target, inner_name(name))
        target.unlink()
    else:
        yield Unpacked(name, path, name)


@contextmanager
def _stream(path: Path, name: str) -> Iterator[BinaryIO]:
    with _typed_failures(name):
        if name.lower().endswith(".gz"):
            with gzip.open(path) as stream:
                yield cast(BinaryIO, stream)
        else:
            with pa.OSFile(str(path)) as raw, pa.CompressedInputStream(raw, "zstd") as stream:
                yield stream


@contextmanager
def _typed_failures(name: str) -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise SourceError(f"{name} is cut: its packed data has no end", REMEDY) from None
    except SourceError:
        raise
    except OSError as error:
        if (
            error.errno and error.errno != errno.EINVAL
        ):  # an archive whose directory leads before its beginning: "Invalid argument"
            raise
        raise _damaged(name) from None
    # zipfile lets pass what damaged directories lead to: ValueError, struct.error, OverflowError, UnicodeError, lzma's
    # and zlib's own, ...
    except Exception:
        raise _damaged(name) from None


def _damaged(name: str) -> SourceError:
    return SourceError(f"{name} cannot be unpacked: cut, damaged, encrypted or packed in another way", REMEDY)


def _copy(packed: BinaryIO, target: Path, name: str, packed_bytes: int, budget: Budget, before: int = 0) -> int:
    """Unpacks into a file. Returns the bytes that `name` was unpacked to, with `before` that others in it were."""
    so_far = before
    with open(target, "wb") as file:
        while chunk := packed.read(CHUNK_BYTES):
            so_far += len(chunk)
            budget.add_unpacked(name, len(chunk), packed_bytes, so_far)
            file.write(chunk)
    return so_far


def _members(path: Path, name: str, folder: Path, budget: Budget, wanted: Callable[[str], bool]) -> Iterator[Unpacked]:
    with _typed_failures(name):
        archive = zipfile.ZipFile(path)
    so_far = 0
    with archive:
        for inner, member in _wanted_members(archive, name, budget, wanted).items():
            target = folder / "member"
            with _typed_failures(f"{name}!/{inner}"), archive.open(member) as packed:
                # Members may share their bytes, so the whole archive counts: of its size and of what was unpacked.
                so_far = _copy(cast(BinaryIO, packed), target, name, path.stat().st_size, budget, so_far)
            yield from unpacked(target, f"{name}!/{inner}", folder, budget, wanted)  # `a.csv.gz` is packed once more
            target.unlink()


def _wanted_members(
    archive: zipfile.ZipFile, name: str, budget: Budget, wanted: Callable[[str], bool]
) -> dict[str, zipfile.ZipInfo]:
    """The members that are data, by their name without `./`, in its order.

    Raises:
        SourceError: a member that might be data is left out by it, or leads elsewhere.
    """
    listed = archive.infolist()
    if len(listed) > budget.limits.files:
        raise over(name, f"contains more than {budget.limits.files:,} files", "files")
    if listed and min(member.header_offset for member in listed) > 0:
        raise SourceError(
            f"{name} has bytes before its first member: another archive, or a program that unpacks itself", REMEDY
        )
    named = [(_inner_path(member, name, number), member) for number, member in enumerate(listed, 1)]
    shown = [(inner, member) for inner, member in named if not member.is_dir() and not is_hidden(inner)]
    if any(is_archive(inner_name(inner)) for inner, _ in shown):
        raise SourceError(
            f"{name} contains an archive, and archives inside archives are not read",
            "Pack the files themselves, or unpack it",
        )
    members = sorted(((inner, member) for inner, member in shown if wanted(inner)), key=lambda one: one[0])
    budget.members_ignored += len(shown) - len(members)
    if not members:
        raise SourceError(
            f"{name} contains no file of a known format, only {len(listed)} others",
            "Pack other files, or take it out of the source",
        )
    if repeated := len(members) - len({inner for inner, _ in members}):
        raise SourceError(f"{name} contains {repeated} files with a duplicate name", REMEDY)
    for number, (_, member) in enumerate(members, 1):
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            raise SourceError(f"{name}: file {number} of the archive is not a regular file", REMEDY)
        if member.flag_bits & 1:
            raise SourceError(f"{name}: file {number} of the archive is encrypted", "Pack it without a password")
    return dict(members)


def _inner_path(member: zipfile.ZipInfo, name: str, number: int) -> str:
    """The name of a member without `./`.

    Raises:
        SourceError: it leads out of the archive, holds signs that no name has, or is the name of a folder and has
            content.
    """
    parts = member.filename.split("/")
    if parts[0] == "" or ".." in parts or "\\" in member.filename or ":" in parts[0] or not is_plain(member.filename):
        raise SourceError(
            f"{name}: the name of member {number} is absolute, leads out of the archive or cannot be shown", REMEDY
        )
    if member.is_dir() and member.file_size:
        raise SourceError(f"{name}: member {number} is called a folder and has content", REMEDY)
    return "/".join(part for part in parts if part != ".")
