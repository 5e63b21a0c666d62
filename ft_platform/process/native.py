"""Loops in C++ that the compiler of this machine makes once and keeps. Where there is none, callers keep their plain
ones, so nothing but speed may depend on a library of here.

`CXX` names the compiler, as elsewhere; empty means none of all this. Libraries lie in `ft_platform/native` of
`XDG_CACHE_HOME`, or of `~/.cache`, under a hash of source, headers beside it, flags, compiler and processor.

An image has no compiler: `python -m ft_platform.process.native` makes what the package ships, for several kinds of
processors, when the image is built."""

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

FLAGS = ("-std=c++17", "-O3", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC")
"""No multiplication is fused with an addition, so that sums have the bits that the plain loops give them."""
PACKAGE = Path(__file__).parent.parent
MADE_BEFORE = PACKAGE / "native"
SHIPPED = (
    ("privacy/ner/built_in/layers.cpp",),
    ("models/kernels/own_kernels.cpp",),
    ("models/kernels/own_kernels.cpp", "-DNUMBER_BFLOAT16"),
)
"""Sources of the package, with the flags that their callers give."""
AVX2 = ("abm", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe")
AVX512 = (*AVX2, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
LEVELS = {
    "avx512_bf16": ((*AVX512, "avx512_vnni", "avx512_bf16"), ("-march=x86-64-v4", "-mavx512vnni", "-mavx512bf16")),
    "avx512_vnni": ((*AVX512, "avx512_vnni"), ("-march=x86-64-v4", "-mavx512vnni")),
    "avx512": (AVX512, ("-march=x86-64-v4",)),
    "avx2": (AVX2, ("-march=x86-64-v3",)),
}
"""Kind of processor, the best first -> its instructions as Linux names them, and flags for the compiler."""
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
    if os.environ.get("CXX") == "":
        return None
    try:
        for level in LEVELS if MADE_BEFORE.is_dir() else ():
            if (file := _made_before(MADE_BEFORE, source, flags, level)).exists() and _has(level):
                return ctypes.CDLL(str(file))
        return _made_here(source, flags)
    except (OSError, RuntimeError, subprocess.SubprocessError):  # RuntimeError: this user has no home
        return None


def _made_here(source: Path, flags: tuple[str, ...]) -> ctypes.CDLL | None:
    compiler = _compiler()
    folder = _folder() if compiler else None
    if compiler is None or folder is None:
        return None
    said = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=SECONDS).stdout
    all_flags = (*FLAGS, "-march=native", *flags)
    file = folder / f"{source.stem}-{_hash(source, all_flags, said, _processor())}.so"
    if not file.exists():
        _compile([compiler, *all_flags], source, file)
    return ctypes.CDLL(str(file))


def make_for_others(folder: Path) -> list[Path]:
    """Compiles all that the package ships, for each kind of processor.

    Raises:
        RuntimeError: there is no compiler.
        subprocess.CalledProcessError: it refuses a source.
    """
    compiler = _compiler()
    if compiler is None:
        raise RuntimeError(f"there is none of {', '.join(COMPILERS)}; install one, or name it by CXX")
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, *flags in SHIPPED:
        for level, (_, march) in LEVELS.items():
            made.append(_made_before(folder, PACKAGE / name, tuple(flags), level))
            _compile([compiler, *FLAGS, *march, *flags], PACKAGE / name, made[-1])
    return made


def _made_before(folder: Path, source: Path, flags: tuple[str, ...], level: str) -> Path:
    return folder / f"{source.stem}-{level}-{_hash(source, (*FLAGS, *flags))}.so"


def _hash(source: Path, flags: tuple[str, ...], *others: bytes) -> str:
    """Of all that a library is made of."""
    text = [file.read_bytes() for file in (source, *sorted(source.parent.glob("*.h")))]
    return hashlib.sha256(b"\0".join((*text, " ".join(flags).encode(), *others))).hexdigest()[:24]


def _has(level: str) -> bool:
    """Whether this processor has all instructions of a kind."""
    return {name.encode() for name in LEVELS[level][0]} <= set(_processor().split())


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


if __name__ == "__main__":
    for library_file in make_for_others(Path(sys.argv[1]) if sys.argv[1:] else MADE_BEFORE):
        print(library_file)
