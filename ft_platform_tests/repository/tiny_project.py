"""A repository of a company, small: one package it depends on, as a wheel in a folder, and nothing of a network."""

import base64
import hashlib
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

PROJECT = """
[project]
name = "acme"
version = "1.2"
requires-python = ">=3.11"
dependencies = ["leaf-lib>=1"]

[project.optional-dependencies]
more = ["other-lib"]

[build-system]
requires = []
build-backend = "setuptools.build_meta"

[tool.setuptools]
py-modules = []
"""


def wheel(folder: Path, name: str, version: str = "1.0", says: str = "leaf", requires: str = "") -> Path:
    """A wheel with one module."""
    module, info = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{module}.py": f"SAYS = {says!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n"
        + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for path, text in files.items()}
    listed = [f"{path},sha256={digest.rstrip(b'=').decode()}," for path, digest in digests.items()]
    files[f"{info}/RECORD"] = "\n".join([*listed, f"{info}/RECORD,,"]) + "\n"
    path = folder / f"{module}-{version}-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return path


def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of the project; pip finds packages in `folder/index` only."""
    index, checkout = folder / "index", folder / "acme"
    wheel(index, "leaf-lib", requires="other-lib")
    wheel(index, "other-lib", says="other")
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": os.devnull}
    # pip reads "no" of a switch that is itself a "no" as: without isolation, with this environment's setuptools.
    for name, value in {**settings, "PIP_NO_BUILD_ISOLATION": "no"}.items():
        monkeypatch.setenv(name, value)
    (checkout / "defs").mkdir(parents=True)
    (checkout / "pyproject.toml").write_text(PROJECT)
    (checkout / "run.sh").write_text("#!/bin/sh\n")
    (checkout / "run.sh").chmod(0o755)
    (checkout / "secret.env").write_text("never bundled")
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    git(checkout, "init", "-q")
    git(checkout, "add", "pyproject.toml", "run.sh")
    git(checkout, *who, "commit", "-qm", "first")
    return checkout


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)
