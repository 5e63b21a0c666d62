"""scripts/install.sh with a stand-in for the virtual environment's Python: what it skips, and what it says when it
cannot go on."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = """#!/bin/sh
# pip fails, everything else is the real Python
if [ "$1" = "-m" ] && [ "$2" = "pip" ]; then exit 1; fi
exec {python} "$@"
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "install.sh", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN.format(python=sys.executable))
    python.chmod(0o755)
    return tmp_path


def stamp(repository: Path, extra: str) -> None:
    state = hashlib.sha256(
        (repository / "pyproject.toml").read_bytes() + (repository / "scripts/install.sh").read_bytes()
    ).hexdigest()
    (repository / ".venv" / f".installed-{extra}").write_text(state)


def install(repository: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "TORCH", "INSTALLER")}
    return subprocess.run(
        ["bash", str(repository / "scripts/install.sh"), *arguments],
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(("stamped", "wanted"), [("demo", "demo"), ("dev", "dev"), ("dev", "demo")])
def test_an_unchanged_installation_is_left_alone(repository, stamped, wanted):
    stamp(repository, stamped)
    done = install(repository, wanted)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("change", ["requirements", "torch", "more"])
def test_changed_requirements_another_torch_or_a_larger_extra_install_again(repository, change):
    stamp(repository, "demo")
    if change == "requirements":
        (repository / "pyproject.toml").write_text("[project]\n")
    done = install(
        repository, "dev" if change == "more" else "demo", **({"TORCH": "cu128"} if change == "torch" else {})
    )
    assert done.returncode == 1
    assert "installing ft-platform[" in done.stderr


def test_a_failed_installation_is_not_taken_for_done(repository):
    done = install(repository)
    assert done.returncode == 1
    assert "the installation failed" in done.stderr
    assert not list((repository / ".venv").glob(".installed-*"))


def test_an_unfit_interpreter_is_named(repository):
    shutil.rmtree(repository / ".venv")
    done = install(repository, PYTHON="/bin/false")
    assert done.returncode == 1
    assert "PYTHON=/bin/false is not a Python 3.11, 3.12 or 3.13" in done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_lets_programs_keep_their_bytecode_where_the_machine_forbids_it():
    told = ["--eval", "told: ; @echo bytecode is forbidden by [$$PYTHONDONTWRITEBYTECODE]", "told"]
    forbidden = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["make", "-C", str(ROOT), "-s", *told], env=forbidden, capture_output=True, text=True, check=True
    )
    assert done.stdout == "bytecode is forbidden by []\n"
