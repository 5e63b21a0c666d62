"""Copies a lake to another store, such as from a disk to S3: verified by hash, gone on with where it was killed.

What was copied is remembered beside the seals, with the versions of both files, so that a second run looks only at what
has changed. Without this memory both sides are read and compared. Every file is read back from where it was written.

Covered: versions, logs of Delta, signatures, verdicts of erasures, the audit log; writers at the source go on. Files
that are gone at the source go at the target too, if this copy brought them and nobody has changed them since. Not
covered: whoever reads the target before the copy has ended."""

import hashlib
import json
import os
import tempfile
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import ConfigError, CorruptVersion
from ft_platform.lake.backup.moment import AUDIT_LOG, Log, Moment, Opened, Tell, digest_of, listing, take_lake
from ft_platform.lake.files import fsync_path, locked, read_bytes, write_bytes
from ft_platform.lake.journal import Entry, Head
from ft_platform.lake.modes import close_zone
from ft_platform.lake.places import Places
from ft_platform.lake.seals import SealFolder
from ft_platform.lake.verified import object_version

LOCAL = LocalFileSystem()
PIECE = 1 << 20


@dataclass(frozen=True)
class Copied:
    """What a copy did.

    Attributes:
        files: that the target has of this lake now.
        written: of these in this run, with `bytes`; `removed`: at the target.
        problems: what does not match what was signed, at the source already.
    """

    files: int
    written: int
    bytes: int
    removed: int
    problems: list[str]


def copy_lake(source: Places, log: Log, target: Places, tell: Tell = lambda what: None) -> Copied:
    """Copies a lake. Run again, it copies what is new.

    Args:
        source, target: opened with the keys of one installation.
        log: audit log of the source.

    Raises:
        ConfigError: the target holds another lake, or is one with the source.
        CorruptVersion: a file cannot be read back as it was written, or a chain of signatures was tampered with.
    """
    home = source.signing
    if home is None or source.root == target.root or f"{target.root}/".startswith(f"{source.root}/"):
        raise ConfigError([f"the lake {source.root} cannot be copied to {target.root}"], "Name another place")
    memory = home.folder / "copies" / f"{home.place_of(source.folder)}-{home.place_of(target.folder)}.jsonl"
    with locked(memory.with_suffix(".lock")):
        _require_same_history(source, target)
        if target.is_local:
            close_zone(Path(target.folder, AUDIT_LOG))
        taker = _ToLake(target, memory)
        moment = take_lake(source, log, taker, tell=tell)
        removed = taker.remove_others(moment)
        write_heads(home, target, moment.chains, moment.audit_log)
    return Copied(len(moment.files), taker.written, taker.bytes, removed, moment.problems)


def write_heads(
    home: SealFolder, lake: Places, chains: Mapping[str, list[Entry]], audit_log: Mapping[str, bytes]
) -> None:
    """Notes, for a lake at its place, how its chains and its audit log stand."""
    place = home.place_of(lake.folder)
    for use_case, entries in chains.items():
        if entries:
            Head(home.folder / "heads" / f"{use_case}-{place}.json").write(entries[-1])
    folder = home.folder / f"{AUDIT_LOG}-{place}"
    if audit_log:
        close_zone(folder)
    for name, content in audit_log.items():
        write_bytes(LOCAL, str(folder / name), content)


def _require_same_history(source: Places, target: Places) -> None:
    """Raises ConfigError if the target holds what the source never was."""
    there = [path for path in listing(target) if "/seals/" in path]
    for path in sorted(there):
        theirs = read_bytes(target.fs, f"{target.folder}/{path}").splitlines()
        try:
            ours = read_bytes(source.fs, f"{source.folder}/{path}").splitlines()
        except FileNotFoundError:
            ours = []
        if theirs != ours[: len(theirs)]:
            raise ConfigError(
                [f"{target.root} holds another lake, or was written to since it was copied ({path})"],
                "Copy to an empty place",
            )


class _ToLake:
    """Takes files into another lake (`moment.Taker`).

    Args:
        memory: file with what was copied: path, version at the source, sha256, version at the target.
    """

    def __init__(self, lake: Places, memory: Path) -> None:
        self.lake, self.far = lake, not lake.is_local
        for path in Path(lake.folder).rglob(".*.tmp") if lake.is_local else ():  # of a copy that was killed
            path.unlink()
        self._there = listing(lake)
        self._known = _remembered(memory)
        self._lock = threading.Lock()
        memory.parent.mkdir(parents=True, exist_ok=True)
        self._memory = open(memory, "a", encoding="utf-8")  # noqa: SIM115  for as long as the process copies
        self.written = self.bytes = 0

    def held(self, path: str, version: str) -> str | None:
        known = self._known.get(path)
        if known and version and known[0] == version and known[2] == self._there.get(path):
            return known[1]
        return None

    def take(self, path: str, version: str, opened: Opened) -> str:
        place = f"{self.lake.folder}/{path}"
        digest = digest_of(opened) if path in self._there else ""
        if digest and digest == digest_of(lambda: self.lake.fs.open(place, "rb")):
            self._remember(path, version, digest)
            return digest
        self.lake.close_zone(path.split("/")[0])
        digest, size = (self._put_far if self.far else self._put)(place, opened)
        self.lake.settle(place)
        if digest_of(lambda: self.lake.fs.open(place, "rb")) != digest:
            raise CorruptVersion(f"{path} cannot be read back from {self.lake.root} as it was written", "Copy it again")
        self._remember(path, version, digest)
        with self._lock:
            self.written, self.bytes = self.written + 1, self.bytes + size
        return digest

    def _put(self, place: str, opened: Opened) -> tuple[str, int]:
        target = Path(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        try:
            with opened() as source, open(temporary, "xb") as file:
                digest, size = poured(source, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_path(target.parent)
        return digest, size

    def _put_far(self, place: str, opened: Opened) -> tuple[str, int]:
        """By way of a file: a stream that breaks off would leave half an object that looks whole."""
        with tempfile.NamedTemporaryFile(prefix="ft-copy-") as file:
            with opened() as source:
                digest, size = poured(source, file)
            file.flush()
            self.lake.fs.put_file(file.name, place)
        return digest, size

    def _remember(self, path: str, version: str, digest: str) -> None:
        there = object_version(self.lake.fs, f"{self.lake.folder}/{path}")
        with self._lock:
            self._known[path], self._there[path] = (version, digest, there), there
            self._memory.write(json.dumps([path, version, digest, there]) + "\n")
            self._memory.flush()

    def remove_others(self, moment: Moment) -> int:
        """Removes what this copy brought and the source no longer has. Returns how many files."""
        gone = [
            path
            for path, known in self._known.items()
            if path not in moment.files and self._there.get(path) == known[2]
        ]
        for path in gone:
            self.lake.fs.rm_file(f"{self.lake.folder}/{path}")
            del self._known[path]
        lines = [json.dumps([path, *known]) + "\n" for path, known in self._known.items() if path in moment.files]
        self._memory.close()
        write_bytes(LOCAL, self._memory.name, "".join(lines).encode())
        return len(gone)


def _remembered(memory: Path) -> dict[str, tuple[str, str, str]]:
    known: dict[str, Any] = {}
    if memory.exists():
        for line in memory.read_text(encoding="utf-8").splitlines():
            try:
                path, version, digest, there = json.loads(line)
            except ValueError:  # half a line of a process that was killed
                continue
            known[path] = (version, digest, there)
    return known


def poured(source: IO[bytes], target: Any) -> tuple[str, int]:
    """Writes all that can be read. Returns its sha256 and how many bytes."""
    hasher, size = hashlib.sha256(), 0
    while piece := source.read(PIECE):
        target.write(piece)
        hasher.update(piece)
        size += len(piece)
    return hasher.hexdigest(), size
