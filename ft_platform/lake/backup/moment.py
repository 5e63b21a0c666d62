"""A lake as it stands at one moment, taken file by file beside its writers, so that what was taken fits together.

Files with rows and weights never change after they were signed, but for an erasure, so they are taken without holding
anybody up. The chains of signatures, and control files that were replaced meanwhile, are read while nobody signs, which
takes as long as reading a few small files. What was taken is then compared with the chains: every manifest and verdict,
and every file that a manifest names. Where a writer or an erasure came in between, only what has changed is taken
again.

Covered: all that was signed before the first look, and what was signed until the last. Not covered: what is not signed
(saved states of trainings, captured requests, the ledger of costs) is taken as it lies there, file by file."""

import hashlib
import io
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ft_platform.errors import FtError, TransientError
from ft_platform.lake.erased_rows import WHOLE, ErasedRows, from_numbers
from ft_platform.lake.files import read_bytes
from ft_platform.lake.journal import Entry
from ft_platform.lake.manifest import Manifest, Verdict
from ft_platform.lake.places import Places
from ft_platform.lake.verified import object_version

PASSES = 8
STREAMS = 8
"""Files at once where a store is far away."""
AUDIT_LOG = "audit_log"
UNFINISHED = re.compile(r"(^|/)(\.(?!training/)[^/]*|locks|[^/]*\.(tmp|pending|erasing|lease))(/|$)")
"""Locks, and what a writer has not put in its place."""
CHAIN = re.compile(r"^shared/[^/]+/seals/\d+\.jsonl$")
ERASED = f"/{WHOLE}.json"
DATA = re.compile(r"^[^/]+/[^/]+/(tables|traffic)/")

Tell = Callable[[str], None]
Opened = Callable[[], Any]
"""Opens a file for reading bytes."""


class Log(Protocol):
    """The audit log of the lake (`people.audit_log.log.AuditLog`)."""

    home: Path
    """What the installation keeps about it outside the lake."""

    def undisturbed(self) -> AbstractContextManager[None]:
        """Nobody writes meanwhile."""
        ...


class Taker(Protocol):
    """Where files are taken to. Called by several threads."""

    far: bool
    """Whether taking waits for a network."""

    def held(self, path: str, version: str) -> str | None:
        """The sha256 of a file that was taken in this version; None: it was not."""
        ...

    def take(self, path: str, version: str, opened: Opened) -> str:
        """Takes a file. Returns the sha256 of what was taken."""
        ...


@dataclass
class Moment:
    """What was taken.

    Attributes:
        files: path below the root of the lake -> sha256.
        chains: use case -> entries of its chain.
        audit_log: name -> content of what the installation keeps outside the lake about its audit log.
        problems: what does not match what was signed, a sentence each.
    """

    files: dict[str, str] = field(default_factory=dict)
    chains: dict[str, list[Entry]] = field(default_factory=dict)
    audit_log: dict[str, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def listing(lake: Places, below: str = "") -> dict[str, str]:
    """Path below the root of the lake -> version of the file.

    Args:
        below: only this folder of it.
    """
    root = lake.folder
    start = f"{root}/{below}".rstrip("/")
    if lake.is_local:
        found = dict(_walk(lake, root, start))
    else:
        lake.fs.invalidate_cache()
        infos: Mapping[str, Any] = lake.fs.find(start, detail=True) if lake.fs.exists(start) else {}  # type: ignore[assignment]
        found = {path.removeprefix(f"{root}/"): _remote_version(info) for path, info in infos.items()}
        lake.fs.invalidate_cache()  # other threads of this process would take the listing for the truth
    return {path: version for path, version in found.items() if not UNFINISHED.search(path)}


def _walk(lake: Places, root: str, start: str) -> Iterator[tuple[str, str]]:
    for folder, _, names in os.walk(start):
        for name in names:
            path = f"{folder}/{name}"
            with suppress(FileNotFoundError):  # removed just now
                yield path.removeprefix(f"{root}/"), object_version(lake.fs, path)


def _remote_version(info: Mapping[str, Any]) -> str:
    tag = next((info[name] for name in ("ETag", "etag", "md5Hash") if info.get(name)), "")
    moment = next((info[name] for name in ("LastModified", "last_modified", "updated") if info.get(name)), "")
    return f"{tag}:{info['size']}:{moment}"


def take_lake(
    lake: Places, log: Log, taker: Taker, leave_out: Collection[str] = (), tell: Tell = lambda what: None
) -> Moment:
    """Takes everything that lies in a lake.

    Args:
        lake: opened with the keys of its installation.
        log: its audit log.
        leave_out: paths below its root that are not taken.
        tell: called with what is done, in words.

    Raises:
        TransientError: writers changed files faster than they could be taken.
        CorruptVersion: a chain of signatures was tampered with.
    """
    look, before = _Look(lake, log, taker, leave_out, tell), None
    look.take(look.listed())
    for _ in range(PASSES):
        look.read_chains()
        listed = look.listed()
        look.take({path: version for path, version in listed.items() if path not in look.signed})
        problems, again = look.problems(listed), look.listed()
        steady = all(again.get(path) == version for path, version in listed.items() if DATA.match(path))
        if steady and (not problems or problems == before):
            return look.finish(listed, problems)
        before = problems
    raise TransientError("the lake changed faster than it could be taken", "Run it again: it goes on from there")


class _Look:
    """One take, from the first listing to the last file."""

    def __init__(self, lake: Places, log: Log, taker: Taker, leave_out: Collection[str], tell: Tell) -> None:
        self.lake, self.log, self.taker, self.leave_out, self.tell = lake, log, taker, set(leave_out), tell
        self.moment = Moment()
        self.last: dict[str, bytes] = {}
        self.signed: set[str] = set()
        self._contents: dict[str, bytes] = {}

    def listed(self) -> dict[str, str]:
        return {path: version for path, version in listing(self.lake).items() if path not in self.leave_out}

    def take(self, listed: Mapping[str, str]) -> None:
        """Takes what was not taken in this version."""
        wanted = []
        for path, version in listed.items():
            if not CHAIN.match(path):
                if (digest := self.taker.held(path, version)) is None:
                    wanted.append((path, version))
                else:
                    self.moment.files[path] = digest
        for done, (path, digest) in enumerate(self._taken(wanted), 1):
            if digest is not None:
                self.moment.files[path] = digest
            if done % 100 == 0 or done == len(wanted):
                self.tell(f"{done:,} of {len(wanted):,} files")

    def _taken(self, wanted: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str | None]]:
        if not self.taker.far and self.lake.is_local:
            yield from (self._take(*one) for one in wanted)
            return
        with ThreadPoolExecutor(STREAMS) as pool:
            yield from pool.map(lambda one: self._take(*one), wanted)

    def _take(self, path: str, version: str) -> tuple[str, str | None]:
        try:
            return path, self.taker.take(path, version, lambda: self.lake.fs.open(f"{self.lake.folder}/{path}", "rb"))
        except FileNotFoundError:  # removed since it was listed
            return path, None

    def read_chains(self) -> None:
        """Chains, control files that are others than were taken, and the audit log, each while nobody writes it."""
        self.last, self.signed = {}, set()
        root = self.lake.folder
        for use_case in self._use_cases():
            seals = self.lake.seals(use_case)
            if seals is None or not seals.exists():
                continue
            changed = {}
            with seals.writing():
                self.moment.chains[use_case] = list(seals.journal.entries(again=True))
                for path in _files(self.lake, f"{root}/{seals.journal.name}", ".jsonl"):
                    self.last[path.removeprefix(f"{root}/")] = read_bytes(self.lake.fs, path)
                for path, entry in seals.paths().items():
                    self.signed.add(path)
                    if self.moment.files.get(path) != entry.sha256:
                        with suppress(FtError, FileNotFoundError):  # `problems` tells of it
                            changed[path] = seals.read(f"{root}/{path}")
            for path, content in changed.items():
                self._contents[path] = content
                self.moment.files[path] = self.taker.take(path, "", lambda content=content: io.BytesIO(content))
        self._read_audit_log()

    def _use_cases(self) -> list[str]:
        folder = self.lake.path_of("shared", "").rstrip("/")
        self.lake.fs.invalidate_cache()
        paths = self.lake.fs.ls(folder, detail=False) if self.lake.fs.exists(folder) else []
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in paths)

    def _read_audit_log(self) -> None:
        with self.log.undisturbed():
            for path, version in listing(self.lake, AUDIT_LOG).items():
                self.signed.add(path)
                if (digest := self.taker.held(path, version)) is None:
                    self.last[path] = read_bytes(self.lake.fs, f"{self.lake.folder}/{path}")
                else:
                    self.moment.files[path] = digest
            names = sorted(self.log.home.glob("*.json")) if self.log.home.is_dir() else []
            self.moment.audit_log = {path.name: path.read_bytes() for path in names}

    def problems(self, listed: Mapping[str, str]) -> list[str]:
        """What was taken that is not what was signed."""
        found: list[str] = []
        for use_case in self.moment.chains:
            seals = self.lake.seals(use_case)
            paths = seals.paths() if seals else {}
            wrong = [path for path, entry in paths.items() if self.moment.files.get(path) != entry.sha256]
            found += [f"{path} is not what was signed, or is missing" for path in wrong]
            told = [path for path in paths if path not in wrong and (_is_manifest(path) or path.endswith(ERASED))]
            contents = self._read(told)
            for path in told:
                if hashlib.sha256(contents.get(path, b"")).hexdigest() != paths[path].sha256:
                    found.append(f"{path} has just changed")
                elif _is_manifest(path) and paths[path].what != "erased":
                    found += self._problems_of(path, contents, listed)
        return found

    def _problems_of(self, path: str, contents: Mapping[str, bytes], listed: Mapping[str, str]) -> Iterator[str]:
        for name, digest in expected_files(path, contents).items():
            if name not in listed:
                yield f"{name} is missing, which {path} names"
            elif self.moment.files.get(name) != digest:
                yield f"{name} does not match {path}"

    def _read(self, paths: list[str]) -> dict[str, bytes]:
        root = self.lake.folder
        known = {path: self._contents[path] for path in paths if path in self._contents}
        missing = [f"{root}/{path}" for path in paths if path not in known]
        read: Any = self.lake.fs.cat(missing, on_error="omit") if missing else {}
        if isinstance(read, bytes):  # of a single file
            read = {missing[0]: read}
        return known | {path.removeprefix(f"{root}/"): bytes(content) for path, content in read.items()}

    def finish(self, listed: Mapping[str, str], problems: list[str]) -> Moment:
        """Takes the chains last: without them nothing that was taken counts."""
        there = {*listed, *self.signed}
        self.moment.files = {path: digest for path, digest in self.moment.files.items() if path in there}
        for path, content in self.last.items():
            self.moment.files[path] = self.taker.take(path, "", lambda content=content: io.BytesIO(content))
        self.moment.problems = problems
        return self.moment


def _files(lake: Places, folder: str, ending: str) -> list[str]:
    lake.fs.invalidate_cache()
    return sorted(path for path in lake.fs.find(folder) if path.endswith(ending)) if lake.fs.exists(folder) else []


def _is_manifest(path: str) -> bool:
    return "/verdicts/" not in path and path.endswith(".json")


def expected_files(path: str, contents: Mapping[str, bytes]) -> dict[str, str]:
    """Path below the root of the lake -> sha256 of each file that a manifest names, as an erasure has left it.

    Args:
        path: of the manifest.
        contents: of manifests and of the verdicts of erasures.
    """
    manifest = Manifest.model_validate_json(contents[path])
    zone = path.split("/")[0]
    verdict = f"{zone}/{manifest.use_case}/verdicts/{manifest.name}/{manifest.id.replace('@', '-')}{ERASED}"
    erased = ErasedRows()
    if verdict in contents:
        erased = from_numbers(Verdict.model_validate_json(contents[verdict]).numbers)
    folder = (
        path.rsplit("/", 1)[0] if manifest.version is None else f"{zone}/{manifest.use_case}/tables/{manifest.name}"
    )
    return {f"{folder}/{name}": digest for name, digest in erased.files(manifest.files).items()}


def digest_of(opened: Opened) -> str:
    with opened() as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
