"""The packages of a project and of everything it depends on: found, pinned and fetched by pip."""

import hashlib
import json
import os
import re
import subprocess
import tempfile
import tomllib
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ft_platform.errors import CorruptVersion, TransientError
from ft_platform.lake.files import sha256_file

TORCH_INDEX = "https://download.pytorch.org/whl/"
"""Where PyTorch keeps its builds, by name (`cpu`, `cu128`)."""
BATCH_FILES, BATCH_BYTES = 25, 300_000_000
"""What one call of pip fetches: after an interruption so much is fetched again, at most."""
OTHER_HASH = re.compile(r"^ {4}(\S+==\S+) from .+:$", re.MULTILINE)
"""What pip says of a file that has another hash than its pin."""
LONGEST_LICENCE = 100
PIP_SECONDS = 7200
HEAD_SECONDS = 20
ASKED_AT_ONCE = 8


@dataclass(frozen=True)
class Package:
    """One package as pip would install it.

    Attributes:
        url: where pip found it.
        sha256: of the file there.
        requires: its requirements, with their markers.
        licence: SPDX expression, or the words of the author; empty where neither is stated.
    """

    name: str
    version: str
    url: str
    sha256: str
    requires: tuple[str, ...] = ()
    licence: str = ""

    @property
    def file(self) -> str:
        return unquote(urlsplit(self.url).path.rpartition("/")[2])

    @property
    def key(self) -> str:
        """Its name as indexes compare it (PEP 503)."""
        return key_of(self.name)

    @property
    def pin(self) -> str:
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


@dataclass(frozen=True)
class Resolved:
    """What pip would install, sorted by name.

    Attributes:
        name, version, requires: of the project in a folder that was among what was wanted, if one was.
    """

    packages: tuple[Package, ...]
    name: str = ""
    version: str = ""
    requires: tuple[str, ...] = ()

    def with_packages(self, more: Iterable[Package]) -> "Resolved":
        packages = {one.key: one for one in (*more, *self.packages)}
        return replace(self, packages=tuple(packages[key] for key in sorted(packages)))


def key_of(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def build_requirements(project: Path) -> list[str]:
    """What pip needs to build and to link (`pip install -e`) a project."""
    system = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8")).get("build-system", {})
    linking = ["editables"] if str(system.get("build-backend", "")).startswith("hatchling") else []
    return [*system.get("requires", ["setuptools>=77"]), *linking]


def resolve(python: str, wanted: Sequence[str], torch: str = "", *, alone: bool = False) -> Resolved:
    """What pip would install into an empty environment.

    Args:
        python: interpreter that shall run it; its pip answers.
        wanted: requirements, among them folders of projects.
        torch: build of PyTorch's own index (`cpu`, `cu128`); empty: as pip is configured.
        alone: without what they depend on.

    Raises:
        TransientError: pip finds no answer; its last error is told.
    """
    with tempfile.TemporaryDirectory() as work:
        report = Path(work, "report.json")
        options = ["--dry-run", "--ignore-installed", "--report", str(report), *(["--no-deps"] if alone else [])]
        _pip(python, ["install", *options, *_torch(torch), *wanted])
        told = json.loads(report.read_bytes())
    found = [_package(one) for one in told["install"] if "archive_info" in one["download_info"]]
    own = next((one["metadata"] for one in told["install"] if "dir_info" in one["download_info"]), {})
    return Resolved((), own.get("name", ""), own.get("version", ""), tuple(own.get("requires_dist", ()))).with_packages(
        found
    )


def _package(told: dict[str, Any]) -> Package:
    """Of an entry of pip's installation report, version 1."""
    about, source = told["metadata"], told["download_info"]
    return Package(
        about["name"],
        about["version"],
        source["url"],
        source["archive_info"]["hashes"]["sha256"],
        tuple(about.get("requires_dist", ())),
        _licence(about),
    )


def _licence(about: dict[str, Any]) -> str:
    """Old metadata may hold the whole text; its classifiers then name it."""
    stated = about.get("license_expression") or " ".join(about.get("license", "").split())
    classified = [one.rpartition(" :: ")[2] for one in about.get("classifier", ()) if one.startswith("License :: ")]
    return stated if 0 < len(stated) <= LONGEST_LICENCE else ", ".join(classified)


def sizes(packages: Iterable[Package]) -> dict[str, int]:
    """File -> bytes, as far as where it lies tells before it is fetched."""
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        told = list(pool.map(lambda one: (one.file, _size(one.url)), packages))
    return {file: size for file, size in told if size is not None}


def _size(url: str) -> int | None:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).stat().st_size
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=HEAD_SECONDS) as answer:
            length = answer.headers.get("Content-Length")
    except (OSError, ValueError):  # an index that wants a password: pip knows it, and this question does not
        return None
    return int(length) if length else None


def fetch(
    python: str,
    packages: Sequence[Package],
    folder: Path,
    torch: str,
    known: dict[str, int],
    tell: Callable[[str], None],
) -> list[str]:
    """Brings every package into a folder as a wheel, each compared with its hash; what lies there already is kept.

    Returns:
        names of packages that have no wheel for this interpreter and were built here.

    Raises:
        CorruptVersion: a wheel in the folder is another than the one that was pinned.
        TransientError: pip cannot fetch or build one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [one for one in packages if not is_there(one, folder)]
    there = len(packages) - len(missing)
    for batch in _batches(missing, known):
        tell(f"packages: {there} of {len(packages)}, next {batch[0].name}")
        with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory(dir=folder.parent) as aside:
            pins = Path(work, "pins.txt")
            pins.write_text("".join(f"{one.pin}\n" for one in batch))
            options = ["--no-deps", "--require-hashes", "--wheel-dir", aside, *_torch(torch)]
            _pip(python, ["wheel", *options, "-r", str(pins)])
            for wheel in sorted(Path(aside).iterdir()):
                os.replace(wheel, folder / wheel.name)
        there += len(batch)
    for one in packages:
        if not is_there(one, folder):
            raise TransientError(f"pip brought no wheel of {one.name} {one.version}", "Run the same command again")
    return [one.name for one in packages if not one.file.endswith(".whl")]


def is_there(package: Package, folder: Path) -> bool:
    """Whether its wheel lies in the folder.

    Raises:
        CorruptVersion: another file lies there under its name.
    """
    if not package.file.endswith(".whl"):
        return wheel_of(package, folder) is not None
    path = folder / package.file
    if not path.is_file():
        return False
    if (got := sha256_file(path)) != package.sha256:
        problem = f"{path} has the hash {got}, and the index has {package.sha256}"
        raise CorruptVersion(problem, "Find out who changed it, remove it, and run the same command again")
    return True


def wheel_of(package: Package, folder: Path) -> Path | None:
    """Its wheel in a folder, whatever platform it is for."""
    wheels = (path for path in sorted(folder.glob("*.whl")) if path.name.count("-") >= 4)
    return next(
        (
            one
            for one in wheels
            if (key_of(one.name.split("-")[0]), one.name.split("-")[1]) == (package.key, package.version)
        ),
        None,
    )


def pinned(packages: Iterable[Package], folder: Path) -> str:
    """The requirements file of the wheels in a folder, with their hashes."""
    wheels = {one.key: wheel_of(one, folder) for one in packages}
    return "".join(
        f"{one.name}=={one.version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
        for one in packages
        if (wheel := wheels[one.key])
    )


def build_wheel(python: str, project: Path, folder: Path) -> None:
    """Builds the wheel of a project into a folder."""
    _pip(python, ["wheel", "--no-deps", "--wheel-dir", str(folder), str(project)])


def _batches(packages: Sequence[Package], known: dict[str, int]) -> Iterator[list[Package]]:
    batch, size = [], 0
    for one in packages:
        own = known.get(one.file, 0)
        if batch and (len(batch) == BATCH_FILES or size + own > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch, size = [*batch, one], size + own
    if batch:
        yield batch


def _torch(build: str) -> list[str]:
    return ["--extra-index-url", TORCH_INDEX + build] if build else []


def _pip(python: str, words: list[str]) -> None:
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = f"{python} -m pip {words[0]} did not end ({type(error).__name__})"
        raise TransientError(
            problem, "Check the interpreter and the network, then run the same command again"
        ) from None
    if done.returncode and (others := OTHER_HASH.findall(done.stderr)):
        problem = f"the index gives other files than it had promised: {', '.join(others[:3])}"
        raise CorruptVersion(problem, "Find out who changed them; the same command then plans anew")
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or done.stderr.splitlines()
        problem = f"pip {words[0]} failed: {(errors or ['without a word'])[-1].removeprefix('ERROR: ')[:300]}"
        raise TransientError(problem, "Mend what it names, then run the same command again: it goes on where it was")
