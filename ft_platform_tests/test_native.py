"""C++ that is compiled once: where anything is missing there is no library, and nothing else happens."""

import ctypes
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ft_platform.process import native

SOURCE = 'extern "C" double fused(double a, double b, double c) { return a * b + c; }\n'
COMPILER = next(filter(None, map(shutil.which, native.COMPILERS)), None)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no compiler for C++")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    native.library.cache_clear()
    file = tmp_path / "loops.cpp"
    file.write_text(SOURCE)
    return file


def kept(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


@needs_compiler
def test_a_product_and_a_sum_are_rounded_one_after_the_other(source: Path) -> None:
    found = native.library(source)
    assert found is not None
    found.fused.restype, found.fused.argtypes = ctypes.c_double, [ctypes.c_double] * 3
    a, b = 1 + 2.0**-30, 1 - 2.0**-30
    assert found.fused(a, b, -1.0) == a * b - 1.0 == 0.0  # fused it would be -2^-60


@needs_compiler
def test_it_is_compiled_once_for_all_processes(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logging = tmp_path / "cxx"
    logging.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexec {COMPILER} "$@"\n')
    logging.chmod(0o755)
    monkeypatch.setenv("CXX", str(logging))
    program = (
        f"from pathlib import Path; from ft_platform.process.native import library; library(Path({str(source)!r}))"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", program], check=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call == "--version" for call in calls] == [True, False, True]
    assert len(kept(tmp_path)) == 1
    source.write_text(SOURCE + "// changed\n")
    assert native.library(source)
    assert len(kept(tmp_path)) == 2


@needs_compiler
def test_a_changed_header_is_compiled_again(source: Path, tmp_path: Path) -> None:
    header = tmp_path / "loops.h"
    source.write_text('#include "loops.h"\nextern "C" double added() { return ADDED; }\n')
    for expected in (1.0, 2.0):
        header.write_text(f"constexpr double ADDED = {expected};\n")
        native.library.cache_clear()
        found = native.library(source)
        assert found is not None
        found.added.restype = ctypes.c_double
        assert found.added() == expected


@pytest.mark.parametrize("compiler", ["", "/nowhere/c++", "false"])
def test_without_a_compiler_there_is_none(source: Path, compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", compiler)
    assert native.library(source) is None


@needs_compiler
def test_what_the_compiler_refuses_leaves_nothing(source: Path, tmp_path: Path) -> None:
    source.write_text("int main(")
    assert native.library(source) is None
    assert kept(tmp_path) == []


@needs_compiler
@pytest.mark.parametrize("where", ["ft_platform", "ft_platform/native"])
def test_a_folder_that_others_can_write_is_not_used(source: Path, tmp_path: Path, where: str) -> None:
    folder = tmp_path / "cache" / where
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert native.library(source) is None
    assert kept(tmp_path) == []


@needs_compiler
def test_a_user_without_a_home_has_none(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 987_654)  # as in a pod: no entry in /etc/passwd
    assert native.library(source) is None


@needs_compiler
def test_a_killed_compilation_leaves_no_library(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "cxx"
    slow.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {COMPILER} --version\n{COMPILER} "$@"\nsleep 60\n')
    slow.chmod(0o755)
    program = (
        f"from pathlib import Path; from ft_platform.process.native import library; library(Path({str(source)!r}))"
    )
    killed = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "CXX": str(slow)}, start_new_session=True
    )
    while not any(name.endswith(".so") for name in kept(tmp_path)):
        time.sleep(0.02)
    os.killpg(killed.pid, 9)
    killed.wait()
    folder = tmp_path / "cache" / "ft_platform" / "native"
    assert list(folder.glob("*.so")) == []
    native.library.cache_clear()
    assert native.library(source)
    assert len(list(folder.glob("*.so"))) == 1
