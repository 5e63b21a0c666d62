"""Whether the control files of a use case are those that a program wrote: manifests, verdicts, and with them waivers,
revocations and decisions.

Every such file is written through `Seals.write` or noted by `Seals.add`, which puts its sha256 into the signed chain
(`lake.journal`). Whoever reads one gets the bytes that were signed, or an error. A file that no entry names (written by
hand, or by a run that was killed just then) does not count as there.

Covered: a file that is altered, deleted, replaced by an older one or added by hand; a lake that is put back to an older
state. Not covered: whoever may act as the account that runs the programs, for that account can read the key and write
the newest entry; and rows of tables and files of artifacts by themselves, which are compared with the hashes in their
signed manifests.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from ft_platform.errors import CorruptVersion, VersionRefused
from ft_platform.lake.files import locked, read_bytes, write_bytes
from ft_platform.lake.journal import Entry, Head, Journal, Keys, What
from ft_platform.lake.manifest import now
from ft_platform.lake.verified import Verified, state_of

NO_KEYS = "the lake was opened without the keys of its installation, so changes to it cannot be detected"
PENDING = ".pending"
"""Ending of a file that is signed and not yet in its place."""


class NotSigned(VersionRefused):
    """A control file that no entry of the chain names: it does not count."""


@dataclass(frozen=True)
class SealFolder:
    """What signs and verifies in one installation.

    Attributes:
        keys: private and public keys.
        folder: outside the lake: newest entries, locks, what was verified before.
    """

    keys: Keys
    folder: Path

    def place_of(self, root: str) -> str:
        """What tells lakes of this installation apart: 12 hex digits. An installation may be moved with its lake."""
        return hashlib.sha256(root.removeprefix(f"{self.folder.parent}/").encode()).hexdigest()[:12]


class Seals:
    """The signed chain of one use case in one lake.

    Args:
        fs: file system of the lake.
        root: its path in it.
        use_case: name.
        home: keys and folder of the installation.
    """

    def __init__(self, fs: fsspec.AbstractFileSystem, root: str, use_case: str, home: SealFolder) -> None:
        self._fs, self._root, self.use_case, self.home = fs, root.rstrip("/"), use_case, home
        name = f"shared/{use_case}/seals"
        place = f"{use_case}-{home.place_of(self._root)}"
        self.journal = Journal(
            fs, f"{self._root}/{name}", name, home.keys, Head(home.folder / "heads" / f"{place}.json")
        )
        self.verified = Verified(home.folder / "verified" / f"{place}.json")
        self._lock_file = home.folder / "locks" / f"{place}.lock"
        self._lock = threading.RLock()
        self._holders = 0
        self._newest: dict[str, Entry] = {}
        self._written: dict[str, int] = {}
        self._indexed = 0

    def newest(self) -> tuple[int, str] | None:
        """Number and hash of the newest entry: others wherever something was signed since. None: nothing was."""
        return self.journal.head.read()

    def exists(self) -> bool:
        """Whether anything was signed, here or as far as this installation knows."""
        return self.journal.head.read() is not None or bool(self.journal.entries())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One writer at a time, of all processes."""
        with self._lock:
            self._holders += 1
            try:
                if self._holders > 1:
                    yield
                else:
                    with locked(self._lock_file):
                        yield
            finally:
                self._holders -= 1

    def entry(self, path: str) -> Entry | None:
        """The newest entry about a file, or None where it should not be there.

        Args:
            path: in the file system of the lake.
        """
        return self._entry_of(self._relative(path))

    def place(self, path: str) -> int:
        """Where a file stands among all that were written, whatever the clock said then; -1: it was signed later, or
        not at all."""
        self._index()
        return self._written.get(self._relative(path), -1)

    def _entry_of(self, relative: str) -> Entry | None:
        found = self._index().get(relative)
        return None if found is None or found.what == "removed" else found

    def _index(self) -> dict[str, Entry]:
        entries = self.journal.entries()
        if self._indexed > len(entries):
            self._newest, self._written, self._indexed = {}, {}, 0
        for entry in entries[self._indexed :]:
            self._newest[entry.path] = entry
            if entry.what == "removed":
                self._written.pop(entry.path, None)
            elif entry.path not in self._written:
                self._written[entry.path] = entry.number if entry.what == "written" else -1
        self._indexed = len(entries)
        return self._newest

    def write(self, path: str, content: bytes) -> None:
        """Writes and signs a file. Killed before it is signed, the file before it stands; afterwards, whoever reads it
        next puts it in its place."""
        with self.writing():
            self.open()
            write_bytes(self._fs, path + PENDING, content)
            self._append("written", path, content)
            self.put_in_place(path)

    def add(self, path: str) -> None:
        """Signs a file as it lies there."""
        with self.writing():
            self.open()
            content = read_bytes(self._fs, path)
            entry = self.entry(path)
            if entry is None or entry.sha256 != _sha256(content):
                self._append("written", path, content)

    def adopt(self, path: str, content: bytes) -> None:
        """Signs a file that was written before there were signatures, and marks it so."""
        self._append("adopted", path, content)

    def erase(self, path: str, note: str) -> None:
        """Notes that the content that a manifest speaks of was deleted lawfully. The manifest stays, and what it says
        stays signed.

        Args:
            note: why, on whose request; no personal data.
        """
        with self.writing():
            self._append("erased", path, self.read(path), note)

    def remove(self, path: str, note: str) -> None:
        """Notes that a file may be missing: it is moved aside, or somebody answers for its loss."""
        with self.writing():
            if self.entry(path) is not None:
                self.journal.append("removed", self._relative(path), "", now(), note)

    def open(self) -> None:
        """Begins the chain, before the first file is written.

        Raises:
            VersionRefused: the lake has files of this use case from before there were signatures.
            NewerLake: a later version of the platform wrote it.
        """
        if self.journal.entries():
            return
        self.require_known()
        self.begin()

    def begin(self, note: str = "") -> None:
        """Writes the first entry.

        Args:
            note: who answers for it, where a chain before it was given up.
        """
        self._newest, self._written, self._indexed = {}, {}, 0
        self.journal.append("opened", f"shared/{self.use_case}", "", now(), note)

    def require_known(self) -> None:
        """Returns if there is a chain, or nothing that one would be about.

        Raises:
            VersionRefused: there are control files, and none was ever signed.
        """
        if not self.exists() and any(True for _ in control_files(self._fs, self._root, self.use_case)):
            raise VersionRefused(
                f"the lake of {self.use_case} was written before its versions were signed",
                f"Sign it once: ft seals adopt {self.use_case}",
            )

    def read(self, path: str) -> bytes:
        """The bytes of a control file, as they were signed.

        Raises:
            NotSigned: nothing says that it should be there.
            CorruptVersion: it was altered, or replaced by an older one.
            FileNotFoundError: it is signed, and missing.
        """
        content = self._content(path)
        if content is None or self._problem(path, content):
            with self._undisturbed():  # a writer may be between the file and the chain
                self.journal.entries(again=True)
                content = self._finished(path)
                if content is None:
                    raise FileNotFoundError(path)
                if problem := self._problem(path, content):
                    raise problem
        return content

    def _content(self, path: str) -> bytes | None:
        try:
            return read_bytes(self._fs, path)
        except FileNotFoundError:
            return None

    def _problem(self, path: str, content: bytes) -> VersionRefused | None:
        relative = self._relative(path)
        entry = self._entry_of(relative)
        if entry is None:
            self.require_known()
            return NotSigned(
                f"{relative} is not signed: it was written by hand, or by a run that was killed at that moment",
                "It does not count: run the step again",
            )
        if not self.journal.trusts(entry):
            return CorruptVersion(
                f"{relative} is signed by a key that was stolen ({entry.key})",
                f"Check it, then make it again: ft run {self.use_case}",
            )
        digest = _sha256(content)
        if digest == entry.sha256:
            return None
        older = next((one for one in self.journal.entries() if one.path == relative and one.sha256 == digest), None)
        what = f"was replaced by an older one (of {older.at})" if older else "was altered"
        return CorruptVersion(
            f"{relative} {what} since it was signed at {entry.at}",
            f"Restore it from a backup, or make it again: ft run {self.use_case}",
        )

    def absent(self, folder: str, present: set[str]) -> tuple[list[str], list[str]]:
        """Names of the files that were signed in a folder and are not among those present: those that a killed run
        left beside, which are put in place and count, and those that are missing.

        Args:
            folder: in the file system of the lake.
            present: names of its files.
        """
        prefix = f"{self._relative(folder)}/"
        names = [
            path.removeprefix(prefix)
            for path, entry in self._index().items()
            if path.startswith(prefix) and entry.what != "removed"
        ]
        absent = [name for name in names if "/" not in name and name not in present]
        finished = {name for name in absent if self._is_finished(f"{folder}/{name}")}
        return sorted(finished), [name for name in absent if name not in finished]

    def _is_finished(self, path: str) -> bool:
        with self._undisturbed():
            return self._finished(path) is not None

    def _finished(self, path: str) -> bytes | None:
        """A file once a write that was signed is finished; where nothing can be written, what waits beside it."""
        try:
            self.put_in_place(path)
        except OSError:  # whoever may write does it later
            return self._content(path + PENDING)
        return self._content(path)

    def problems(self) -> list[str]:
        """What is wrong with any control file of the use case: each that was written since it was last compared with
        the chain is read."""
        self.require_known()
        found = []
        for relative, entry in self.paths().items():
            path = f"{self._root}/{relative}"
            try:
                state = state_of(self._fs, [path], f"{entry.sha256} {self.journal.trusts(entry)}")
                if not self.verified.holds(relative, state):
                    self.read(path)
                    self.verified.add(relative, state)
            except FileNotFoundError:
                if not self._is_finished(path):
                    found.append(f"{relative} was deleted")
            except VersionRefused as refusal:
                found.append(refusal.message)
        return found

    def paths(self) -> dict[str, Entry]:
        """Every signed file below the root of the lake -> its newest entry."""
        return {path: entry for path, entry in self._index().items() if entry.what not in ("opened", "removed")}

    def put_in_place(self, path: str) -> None:
        """Finishes a write that was signed."""
        entry, pending = self.entry(path), path + PENDING
        with suppress(FileNotFoundError):
            content = read_bytes(self._fs, pending)
            if entry is not None and _sha256(content) == entry.sha256:
                write_bytes(self._fs, path, content)
                self._fs.rm_file(pending)

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        with ExitStack() as stack:
            with suppress(OSError):  # whoever only verifies may not be allowed to hold up the writers
                stack.enter_context(self.writing())
            yield

    def _append(self, what: What, path: str, content: bytes, note: str = "") -> None:
        self.journal.append(what, self._relative(path), _sha256(content), now(), note)

    def _relative(self, path: str) -> str:
        return path.removeprefix(f"{self._root}/")


def control_files(fs: fsspec.AbstractFileSystem, root: str, use_case: str) -> Iterator[str]:
    """Every manifest and verdict of a use case that lies in a lake, signed or not."""
    for zone in ("restricted", "shared"):
        place = f"{root}/{zone}/{use_case}"
        for kind in ("manifests", "verdicts"):
            if fs.exists(f"{place}/{kind}"):
                yield from (path for path in sorted(fs.find(f"{place}/{kind}")) if path.endswith(".json"))
    folder = f"{root}/shared/{use_case}"
    names = [path.rstrip("/").rsplit("/", 1)[-1] for path in fs.ls(folder, detail=False)] if fs.exists(folder) else []
    for name in sorted(set(names) - {"manifests", "verdicts", "tables", "locks", "seals"}):
        if not name.startswith(".") and fs.isdir(f"{folder}/{name}"):
            yield from (f"{path.rstrip('/')}/manifest.json" for path in _published(fs, f"{folder}/{name}"))


def _published(fs: Any, folder: str) -> list[str]:
    paths = sorted(path.rstrip("/") for path in fs.ls(folder, detail=False))
    shown = [path for path in paths if not path.rsplit("/", 1)[-1].startswith(".") and ".corrupt-" not in path]
    return [path for path in shown if fs.exists(f"{path}/manifest.json")]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
