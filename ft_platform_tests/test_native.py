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


@pytest.fixture
def made_before(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as an image has it, and no compiler any more."""
    folder = tmp_path / "made"
    monkeypatch.setattr(native, "SHIPPED", ((str(source), "-DKIND=3"),))
    source.write_text('extern "C" int kind() { return KIND; }\n')
    native.make_for_others(folder)
    monkeypatch.setattr(native, "MADE_BEFORE", folder)
    monkeypatch.setenv("PATH", "")
    return folder


@needs_compiler
def test_an_image_without_a_compiler_has_what_was_made_for_its_processor(source: Path, made_before: Path) -> None:
    assert len(list(made_before.iterdir())) == len(native.LEVELS)
    found = native.library(source, "-DKIND=3")
    assert found is not None and found.kind() == 3
    assert Path(found._name).parent == made_before
    assert native.library(source, "-DKIND=4") is None, "made with other flags"
    native.library.cache_clear()
    source.write_text(source.read_text() + "// changed\n")
    assert native.library(source, "-DKIND=3") is None, "made of another source"


@needs_compiler
def test_a_processor_gets_the_best_that_it_can_run(
    source: Path, made_before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    for level, (instructions, _) in native.LEVELS.items():
        native.library.cache_clear()
        told = f"flags : fpu {' '.join(instructions)}".encode()
        monkeypatch.setattr(native, "_processor", lambda told=told: told)
        monkeypatch.setattr(native.ctypes, "CDLL", lambda name: taken.append(Path(name).name.split("-")[1]))
        native.library(source, "-DKIND=3")
        assert taken[-1] == level
    native.library.cache_clear()
    monkeypatch.setattr(native, "_processor", lambda: b"flags : fpu sse2")
    assert native.library(source, "-DKIND=3") is None


@needs_compiler
def test_without_anything_compiled_means_also_without_what_was_made_before(
    source: Path, made_before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "")
    assert native.library(source, "-DKIND=3") is None


def test_all_that_the_package_compiles_is_made_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the flags of the callers, on a processor that has everything."""
    import torch

    from ft_platform.models.kernels import own_kernels
    from ft_platform.privacy.ner.built_in import compiled

    asked = set()

    def noted(source: Path, *flags: str) -> None:
        asked.add((str(source.relative_to(native.PACKAGE)), *flags))

    monkeypatch.setattr(own_kernels, "library", noted)
    monkeypatch.setattr(compiled, "library", noted)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    for dtype, level in ((torch.float32, "avx2"), (torch.float32, "avx512"), (torch.bfloat16, "avx512")):
        own_kernels._library.__wrapped__(dtype, level)
    assert compiled.compiled({}, 0) is None
    assert asked == set(native.SHIPPED)
    users = {path.name for path in native.PACKAGE.rglob("*.py") if "process.native import" in path.read_text()}
    assert users == {"own_kernels.py", "compiled.py"}
