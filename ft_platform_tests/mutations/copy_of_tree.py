"""A copy of the repository in which faults are planted, one at a time, and tests are run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ft_platform_tests.mutations import started
from ft_platform_tests.mutations.faults import Fault

TESTS_FAILED, INTERRUPTED, NOTHING_RUN = 1, 2, 5
"""Exit codes of pytest; 0: all passed, 2: also where a file of tests could not be imported."""
LINE = re.compile(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", re.MULTILINE)


class CannotRun(Exception):
    """The tests could not be run, e.g. because a path is wrong."""


@dataclass(frozen=True)
class Found:
    """What a run of tests came to.

    Attributes:
        test: id of the first test that failed, or the file that could not be imported; None: all passed.
    """

    test: str | None


class CopyOfTree:
    """A copy of every file that git tracks or does not ignore.

    Args:
        root: of the repository; nothing in it is changed.
        folder: where the copy is made.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
        for name in filter(None, names):
            if (root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / name)
        self._clock = 1_000_000_000
        self._output = folder / "pytest_output.txt"

    @contextmanager
    def planted(self, fault: Fault) -> Iterator[None]:
        """The fault is there inside the block."""
        path = self.folder / "ft_platform" / fault.file
        whole = path.read_text(encoding="utf-8")
        assert whole.count(fault.old) == 1, fault.name
        self._write(path, whole.replace(fault.old, fault.new))
        try:
            yield
        finally:
            self._write(path, whole)

    def _write(self, path: Path, text: str) -> None:
        """Each time another second: bytecode counts as fresh if time and size of its source are the same."""
        self._clock += 10
        path.write_text(text, encoding="utf-8")
        os.utime(path, (self._clock, self._clock))

    def run(self, tests: Sequence[str], tier: str, workers: int = 0) -> Found:
        """Runs tests until the first fails.

        Args:
            tests: paths or ids.
            tier: expression of markers; empty: every test.
            workers: processes; 0: none beside this one.

        Raises:
            CannotRun: pytest neither passed nor named what failed.
        """
        words = [*tests, "-x", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", "-m", tier, "-n", str(workers)]
        assert self._started.stdin and self._started.stdout
        print(json.dumps(words), file=self._started.stdin, flush=True)
        answer = self._started.stdout.readline()
        code, said = int(answer or -1), self._output.read_text(encoding="utf-8", errors="replace")
        if code in (0, NOTHING_RUN):
            return Found(None)
        failed = LINE.search(said)
        if code not in (TESTS_FAILED, INTERRUPTED) or failed is None:
            raise CannotRun(f"pytest ended with {code}:\n{said[-2000:]}")
        return Found(failed[1])

    @cached_property
    def _started(self) -> "subprocess.Popen[str]":
        """The process that forks for each run."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "FT_"))}
        return subprocess.Popen(
            [sys.executable, str(Path(started.__file__)), str(self._output)],
            cwd=self.folder,
            env={**kept, "PYTHONPATH": str(self.folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
