"""Failures of the machine and of libraries as errors of the platform: what, where and what to do, without the library's
own words, which may hold values."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from ft_platform.errors import DiskFull, FtError, SourceError

ACCESS = "Give the user that runs the platform read access"
OPERATING_SYSTEM: dict[int, tuple[str, str]] = {
    errno.ENOENT: ("disappeared after the source was listed", ("Run again when nothing writes to the source")),
    errno.ESTALE: ("disappeared after the source was listed", ("Run again when nothing writes to the source")),
    errno.ENOTDIR: ("disappeared after the source was listed", ("Run again when nothing writes to the source")),
    errno.EACCES: ("may not be read", ACCESS),
    errno.EPERM: ("may not be read", ACCESS),
    errno.EIO: (
        "is not given out by its disk or network share (input/output error)",
        "Check the disk or the share, then run again",
    ),
    errno.EISDIR: ("is a folder where a file was", "Run again when nothing writes to the source"),
    errno.ELOOP: ("is a symbolic link that leads to itself", "Take it out of the source"),
    errno.ENAMETOOLONG: ("has a name that is too long for this machine", "Rename it, or take it out of the source"),
    errno.EMFILE: (
        "cannot be opened: this process has too many files open",
        "Raise the limit (ulimit -n), then run again",
    ),
    errno.ENFILE: ("cannot be opened: this machine has too many files open", "Close other programs, then run again"),
    errno.ETIMEDOUT: (
        "is not given out in time by its disk or network share",
        "Check the disk or the share, then run again",
    ),
}
"""Number of an error -> what it means for a file of a source, and what to do."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def plain_failures(name: str, where: Callable[[], str] = lambda: "", private: Path | None = None) -> Iterator[None]:
    """Turns whatever reading a file or table raises into an error that a person can act on.

    Args:
        name: what messages call the file.
        where: how far it was read (`data row 7`); asked for when something went wrong.
        private: folder for copies: an error there is not one of the source.

    Raises:
        SourceError, DiskFull: in place of everything that is no error of the platform.
    """
    try:
        yield
    except FtError:
        raise
    except pa.ArrowException as error:
        raise (_memory(name, where()) if isinstance(error, MemoryError) else damaged(name, where())) from None
    except OSError as error:
        raise of_system(name, error, where(), private) from None
    except MemoryError:
        raise _memory(name, where()) from None
    # readers of formats let all kinds pass that their libraries raise on damaged bytes: BufferError, struct.error,
    # KeyError, ...
    except Exception:
        raise damaged(name, where()) from None
    except BaseException as error:
        if (
            type(error).__name__ != "PanicException"
        ):  # what Rust's libraries (delta-rs) raise; the others end the process, as they should
            raise
        raise damaged(name, where()) from None


def of_system(name: str, error: OSError, where: str = "", private: Path | None = None) -> FtError:
    """What an error of the operating system means for a file of a source."""
    if error.errno in NO_ROOM:
        return DiskFull(
            f"{name} cannot be copied or unpacked: no room{f' in {private}' if private else ''}",
            "Free some room there, then run again",
        )
    if private and _is_in(private, error.filename):
        return SourceError(
            f"{name} cannot be copied or unpacked: {private} cannot be written ({os.strerror(error.errno or 0)})",
            "Make that folder writable",
        )
    if error.errno in OPERATING_SYSTEM:
        return SourceError(f"{name} {OPERATING_SYSTEM[error.errno][0]}", OPERATING_SYSTEM[error.errno][1])
    return damaged(name, where)


def damaged(name: str, where: str = "") -> SourceError:
    beyond = f" beyond {where}" if where else ""
    return SourceError(
        f"{name} cannot be read{beyond}: cut, damaged or of another format", "Export it again, or set source.format"
    )


def _memory(name: str, where: str) -> SourceError:
    behind = f" beyond {where}" if where else ""
    return SourceError(
        f"{name} needs more memory{behind} than is available",
        "If it is not damaged, export it in smaller files or row groups",
    )


def _is_in(folder: Path, path: object) -> bool:
    return isinstance(path, str) and Path(path).is_relative_to(folder)
