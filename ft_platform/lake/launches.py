"""The folder of a program that runs on another machine: who may run it, and what it says.

`shared/<use_case>/.launches/<launch_id>/` holds names that are made once and files that nobody writes twice:

- `attempt-<n>.note`: the orchestrator is about to submit for the n-th time. A job of an earlier attempt that starts
  late finds a higher number, and ends.
- `start-<n>.note`: a process of the newest attempt began. A scheduler that requeues a job, or a machine that is lost
  and comes back, leads to several; what counts is said by the newest.
- `start-<n>/<m>.jsonl`: its messages from number m on. A reader takes m only when it has all before it: a file that
  comes late is waited for, one that is written twice is read once, and no clock is compared with another.
- `home`: what the tasks of an array agreed on (`agreed`).
- `seconds`: how long jobs of this launch have run, for the bill of whoever adopts it.

The folder goes when the result was read. It holds figures and lines of the log, and no record's text.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ft_platform.errors import Superseded
from ft_platform.lake import files
from ft_platform.lake.places import Places

FOLDER = ".launches"


def launch_id(parts: Mapping[str, Any]) -> str:
    """`ft-<16 hex digits>`, the same for the same work: what another orchestrator finds the job again by."""
    return f"ft-{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]}"


class LaunchFolder:
    """One launch in the lake."""

    def __init__(self, lake: Places, use_case: str, name: str) -> None:
        self._lake, self.use_case, self.name = lake, use_case, name
        self.folder = lake.path_of("shared", use_case, FOLDER, name)

    def newest(self, kind: str) -> int:
        """Highest number of the `attempt`s or `start`s; 0: there is none."""
        numbers = (
            name.removesuffix(".note").removeprefix(f"{kind}-") for name in self._names() if name.endswith(".note")
        )
        return max([0, *(int(number) for number in numbers if number.isdigit())])

    def note_attempt(self) -> int:
        """Number of the submission that is about to be made."""
        return self._claim("attempt")

    def job_name(self, attempt: int) -> str:
        """What the job of an attempt is called. No other launch has had one of this name, not of the same work
        either: schedulers remember jobs that have ended."""
        return f"{self.name}-{files.read_bytes(self._lake.fs, f'{self.folder}/attempt-{attempt:06d}.note').decode()}"

    def begin(self, attempt: int) -> int:
        """Number of the start of this process, which belongs to a job of that attempt.

        Raises:
            Superseded: another job took over.
        """
        self.require_newest(attempt)
        return self._claim("start")

    def require_newest(self, attempt: int) -> None:
        """Raises:
        Superseded: another job took over.
        """
        if attempt != (newest := self.newest("attempt")):
            raise Superseded(f"attempt {attempt} at {self.name} is not the newest ({newest or 'none'}) any more")

    def agreed(self, name: str, value: str) -> str:
        """What the first of several processes said under this name."""
        place = f"{self.folder}/{name}"
        with suppress(FileExistsError):
            files.create(self._lake.fs, place, value.encode())
        return files.read_bytes(self._lake.fs, place).decode()

    def write(self, start: int, number: int, content: bytes) -> None:
        """Writes the messages from a number on. Written again with the same content, nothing changes."""
        with self._lake.room_for(f"messages of {self.name}"):
            files.write_bytes(self._lake.fs, self._messages(start, number), content)

    def read(self, start: int, number: int) -> list[dict[str, Any]] | None:
        """The messages from a number on; None: they have not come yet."""
        try:
            content = files.read_bytes(self._lake.fs, self._messages(start, number))
        except FileNotFoundError:
            return None
        return [json.loads(line) for line in content.splitlines()]

    def written(self, start: int) -> list[int]:
        """Numbers under which messages of a start lie."""
        names = (name.removesuffix(".jsonl") for name in self._names(f"start-{start:06d}"))
        return [int(name) for name in names if name.isdigit()]

    def write_beside(self, attempt: int, message: dict[str, Any]) -> None:
        """What one of several processes knows that does not report otherwise. It may come before the first has
        begun."""
        place = f"{self.folder}/beside-{attempt:06d}-{uuid.uuid4().hex}.json"
        files.write_bytes(self._lake.fs, place, json.dumps(message).encode())

    def beside(self, attempt: int) -> list[dict[str, Any]]:
        names = sorted(name for name in self._names() if name.startswith(f"beside-{attempt:06d}-"))
        return [json.loads(files.read_bytes(self._lake.fs, f"{self.folder}/{name}")) for name in names]

    @property
    def seconds(self) -> float:
        """How long jobs of this launch have run so far, as far as somebody watched."""
        try:
            return float(files.read_bytes(self._lake.fs, f"{self.folder}/seconds"))
        except FileNotFoundError:
            return 0.0

    @seconds.setter
    def seconds(self, value: float) -> None:
        files.write_bytes(self._lake.fs, f"{self.folder}/seconds", str(value).encode())

    def remove(self) -> None:
        self._lake.fs.invalidate_cache()
        if self._lake.fs.exists(self.folder):
            self._lake.fs.rm(self.folder, recursive=True)

    def _messages(self, start: int, number: int) -> str:
        return f"{self.folder}/start-{start:06d}/{number:08d}.jsonl"

    def _claim(self, kind: str) -> int:
        """Makes the next name of a kind: of two at once one gets it, and the other the next."""
        fs, content = self._lake.fs, uuid.uuid4().hex[:8]
        while True:
            number = self.newest(kind) + 1
            place = f"{self.folder}/{kind}-{number:06d}"
            with self._lake.room_for(f"the note of {self.name}"):
                if self._lake.is_local:
                    fs.makedirs(self.folder, exist_ok=True)
                try:
                    files.create(fs, f"{place}.note", content.encode())
                    return number
                except FileExistsError:
                    continue

    def _names(self, *parts: str) -> list[str]:
        folder = "/".join([self.folder, *parts])
        self._lake.fs.invalidate_cache()
        try:
            return [path.rstrip("/").rsplit("/", 1)[-1] for path in self._lake.fs.ls(folder, detail=False)]
        except FileNotFoundError:
            return []
