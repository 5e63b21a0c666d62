"""Loops in C++ that the compiler of this machine makes once and keeps. Where there is none, callers keep their plain
ones, so nothing but speed may depend on a library of here.

`CXX` names the compiler, as elsewhere; empty means none. Libraries lie in `ft_platform/native` of `XDG_CACHE_HOME`, or
of `~/.cache`, under a hash of source, headers beside it, flags, compiler and processor."""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC")
"""No multiplication is fused with an addition, so that sums have the bits that the plain loops give them."""
COMPILERS = ("c++", "g++", "clang++")
SECONDS = 120
"""A compiler that takes longer is given up."""
NOT_FOR_OTHERS = 0o022


@cache
def library(source: Path, *flags: str) -> ctypes.CDLL | None:
    """What a source compiles to; None where there is no compiler, where it refuses the source, or where the folder
    of libraries could be written by others.

    Args:
        flags: beside `FLAGS`.
    """
    compiler = _compiler()
    if compiler is None:
        return None
    try:
        said = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=SECONDS).stdout
        folder = _folder()
        if folder is None:
            return None
        text = [file.read_bytes() for file in (source, *sorted(source.parent.glob("*.h")))]
        made_of = b"\0".join((*text, " ".join((*FLAGS, *flags)).encode(), said, _processor()))
        file = folder / f"{source.stem}-{hashlib.sha256(made_of).hexdigest()[:24]}.so"
        if not file.exists():
            _compile([compiler, *FLAGS, *flags], source, file)
        return ctypes.CDLL(str(file))
    except (OSError, RuntimeError, subprocess.SubprocessError):  # RuntimeError: this user has no home
        return None


def _compile(command: list[str], source: Path, file: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".", dir=file.parent, ignore_cleanup_errors=True) as aside:
        made = Path(aside) / file.name
        subprocess.run([*command, "-o", made, source], capture_output=True, check=True, timeout=SECONDS)
        with made.open("rb") as written:
            os.fsync(written.fileno())  # or a name may be there after a power failure, and its content not
        made.replace(file)


def _compiler() -> str | None:
    named = os.environ.get("CXX")
    return next(filter(None, map(shutil.which, COMPILERS if named is None else (named,))), None)


def _folder() -> Path | None:
    """Of this user alone: what lies there is run."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ft_platform" / "native"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    seen = [one.stat() for one in (folder, folder.parent)]
    own = all(one.st_uid == os.geteuid() and not one.st_mode & NOT_FOR_OTHERS for one in seen)
    return folder if own else None


def _processor() -> bytes:
    """Whose instructions `-march=native` takes: homes are shared by machines."""
    told = Path("/proc/cpuinfo")
    lines = told.read_bytes().splitlines() if told.exists() else []
    return next((line for line in lines if line.startswith((b"flags", b"Features"))), " ".join(os.uname()).encode())
