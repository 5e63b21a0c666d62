"""What was written to the control files of a use case, as a chain of signed entries.

`shared/<use_case>/seals/<number>.jsonl` holds 128 entries each, one a line. An entry names a file, its sha256, and the
sha256 of the entry before it, and is signed. The number and hash of the newest entry stand outside the lake (`Head`),
so that a lake that was put back to an older state is noticed, although each of its signatures is good.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ft_platform import __version__
from ft_platform.errors import CorruptVersion, NewerLake
from ft_platform.lake.files import read_bytes, write_bytes

FORMAT = 1
"""What this version of the platform can read. A later one that writes what this one would not understand, here, in
manifests or in verdicts, counts it up and says so in each entry, as `"format": 2`. Entries of format 1 do not name
it."""
SEGMENT = 128
"""Entries of a file: an object store has no append, so the newest file is written anew for each entry."""

What = Literal["opened", "written", "adopted", "erased", "removed"]
"""`adopted`: written before there were signatures, and signed afterwards. `erased`: the content was deleted lawfully;
the file stays. `removed`: the file may be missing, because it was moved aside or somebody answers for its loss."""
NEXT = "Restore the lake or the folder of seals from a backup. To see what is wrong: ft seals verify"


@dataclass(frozen=True)
class Entry:
    """One signed fact about a file.

    Attributes:
        number: counted from 0.
        path: below the root of the lake.
        sha256: of the file's bytes; empty where there is none.
        note: why it was erased or removed, and who answers for it.
        previous: sha256 of the line of the entry before.
        key: id of the key that signed it.
        signature: Ed25519, base64, over `signed_bytes`.
    """

    number: int
    at: str
    what: What
    path: str
    sha256: str
    note: str
    previous: str
    key: str = ""
    signature: str = ""

    def signed_bytes(self) -> bytes:
        return json.dumps({**asdict(self), "signature": ""}, sort_keys=True, ensure_ascii=False).encode()

    def line(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.line()).hexdigest()


class Key(Protocol):
    """The public half of a key."""

    def signed(self, content: bytes, signature: bytes) -> bool: ...

    def trusted(self, folder: str, number: int, at: str) -> bool: ...


class Keys(Protocol):
    """Signs, and knows the public keys (`lake.signing.keys.SigningKeys`)."""

    @property
    def public(self) -> Any: ...

    @property
    def newest(self) -> str: ...

    def sign(self, content: bytes) -> bytes: ...


class ChainBroken(CorruptVersion):
    """The chain itself was tampered with: nothing that it says counts."""


class Head:
    """Number and hash of the newest entry, in a file outside the lake."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[int, str] | None:
        """None: no entry was written from this installation.

        Raises:
            CorruptVersion: the file cannot be read.
        """
        try:
            found = json.loads(self.path.read_bytes())
            return int(found["number"]), str(found["sha256"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptVersion(
                f"the file {self.path} cannot be read ({type(error).__name__})", "Restore it from a backup"
            ) from None

    def write(self, entry: Entry) -> None:
        content = {"number": entry.number, "sha256": entry.hash, "at": entry.at}
        write_bytes(LocalFileSystem(), str(self.path), json.dumps(content).encode())


class Journal:
    """The chain of one use case.

    Args:
        fs, folder: where it lies.
        name: `folder` below the root of the lake; what a stolen key's last entries are named by.
        keys: of the installation.
        head: of this chain.
    """

    def __init__(self, fs: fsspec.AbstractFileSystem, folder: str, name: str, keys: Keys, head: Head) -> None:
        self._fs, self._folder, self.name, self._keys, self.head = fs, folder, name, keys, head
        self._entries: list[Entry] = []
        self._seen: tuple[int, str] | None = None

    def entries(self, *, again: bool = False) -> list[Entry]:
        """All entries, oldest first, compared with each other, with their signatures and with the head.

        Args:
            again: look at the files even if the head says that nothing was added.

        Raises:
            ChainBroken: the chain was altered, cut or put back to an older state.
            NewerLake: it has an entry of a later format.
        """
        head = self.head.read()
        if not again and head is not None and head == self._seen:
            return self._entries
        self._read(head)
        self._compare(head)
        self._seen = head
        return self._entries

    def _compare(self, head: tuple[int, str] | None) -> None:
        """Raises ChainBroken if the chain is another or an older one than this installation wrote."""
        if head is None and len(self._entries) > 1:
            raise self._broken(
                "is signed, but this installation does not know its newest entry: its folder of seals is new or was"
                " lost"
            )
        if head is not None:
            number, digest = head
            if number >= len(self._entries):
                raise self._broken(
                    f"was put back to an older state or cut off: it ends with entry {len(self._entries) - 1}, the"
                    f" newest was {number}"
                )
            if self._entries[number].hash != digest:
                raise self._broken(
                    f"has a different history from the one this installation wrote: entry {number} differs"
                )

    def append(self, what: What, path: str, sha256: str, at: str, note: str = "") -> Entry:
        """Adds an entry. The caller holds the lock of the use case."""
        entries = self.entries(again=True)
        unsigned = Entry(
            len(entries), at, what, path, sha256, note, entries[-1].hash if entries else "", self._keys.newest
        )
        entry = replace(unsigned, signature=base64.b64encode(self._keys.sign(unsigned.signed_bytes())).decode())
        first = entry.number // SEGMENT * SEGMENT
        lines = [one.line() for one in [*entries[first:], entry]]
        write_bytes(self._fs, self._path(entry.number), b"\n".join(lines) + b"\n")
        self.head.write(entry)
        self._entries = [*entries, entry]
        self._seen = entry.number, entry.hash
        return entry

    def forget(self) -> None:
        """Begins anew: the files of the chain were moved aside."""
        self.head.path.unlink(missing_ok=True)
        self._entries, self._seen = [], None

    def verify_signatures(self) -> list[str]:
        """What is wrong with the signature of any entry. The chain itself is compared with its head whenever it is
        read."""
        return [problem for entry in self.entries(again=True) if (problem := self._signature_problem(entry))]

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number // SEGMENT:06d}.jsonl"

    def _read(self, head: tuple[int, str] | None) -> None:
        """Reads the files again from the first that may have grown. Entries up to the head are vouched for by it, later
        ones by their signature."""
        start = len(self._entries) // SEGMENT * SEGMENT if self._seen else 0
        found = self._entries[:start]
        while self._fs.exists(path := self._path(len(found))):
            before = len(found)
            for line in read_bytes(self._fs, path).splitlines():
                entry = self._parsed(line, len(found))
                if entry.previous != (found[-1].hash if found else ""):
                    raise self._broken(f"was altered: entry {entry.number} does not follow the one before it")
                if head is None or entry.number > head[0]:
                    problem = self._signature_problem(entry)
                    if problem:
                        raise self._broken(problem)
                found.append(entry)
            if len(found) < before + SEGMENT:
                break
        self._entries = found

    def _parsed(self, line: bytes, number: int) -> Entry:
        try:
            found = json.loads(line)
            if (its_format := int(found.get("format", FORMAT))) > FORMAT:
                raise NewerLake(
                    f"{self.name} has entries of format {its_format}, and ft-platform {__version__} reads {FORMAT};"
                    " nothing was written",
                    "Use the version that wrote them, or a later one: pip install -U ft-platform",
                )
            entry = Entry(**found)
        except (ValueError, TypeError):
            raise self._broken(f"was altered: entry {number} cannot be read") from None
        if entry.number != number:
            raise self._broken(f"was altered: entry {number} is missing")
        return entry

    def _signature_problem(self, entry: Entry) -> str:
        key: Key | None = self._keys.public.get(entry.key)
        if key is None:
            return f"has an entry ({entry.number}) signed by a key that this installation does not know ({entry.key})"
        try:
            good = key.signed(entry.signed_bytes(), base64.b64decode(entry.signature, validate=True))
        except (binascii.Error, ValueError):
            good = False
        return "" if good else f"has an entry ({entry.number}) whose signature does not match its key"

    def trusts(self, entry: Entry) -> bool:
        """False: the key that signed it was stolen before."""
        key: Key | None = self._keys.public.get(entry.key)
        return key is not None and key.trusted(self.name, entry.number, entry.at)

    def _broken(self, what: str) -> ChainBroken:
        return ChainBroken(f"the chain of signatures {self.name} {what}", NEXT)
