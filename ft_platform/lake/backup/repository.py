"""Where backups lie: blocks that are encrypted one by one and stored once, and moments that say which belong together.

A file is divided into blocks of 4 MiB. Each block is encrypted with a key of its own (AES-256-GCM), and its name is a
keyed hash of its content, so equal blocks are stored once and a name tells nothing. The keys lie in a file of their
own, outside of the backup, which is written anew when blocks go. A block whose key is gone is noise, wherever copies of
it lie: on tape, in another region, under a lock that nobody can lift.

Covered: a process that is killed anywhere leaves blocks that no moment names, which the next backup uses or removes;
a block or moment that was changed is noticed. Not covered: whoever has a copy of the file of keys from before an
erasure, and what a disk keeps of a file that was replaced."""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import ConfigError, CorruptVersion, KeyMissing, TransientError
from ft_platform.lake.file_systems import filesystem, fsspec_options
from ft_platform.lake.files import write_bytes

LOCAL = LocalFileSystem()
BLOCK = 4 << 20
FORMAT = 1
ABOUT = "ft_backup.json"
MOMENT = "moment-"
MOMENT_FORM = "%Y%m%dT%H%M%S%fZ"
NONCE = bytes(12)
"""Each key encrypts once."""
WAITING = 64
"""Keys that are gathered before they are written."""


@dataclass
class Saved:
    """What is known of a file in a backup.

    Attributes:
        blocks: names, in order.
        sha256, size: of the whole.
        version: of the file when it was read; the next backup does not read it again in this version.
        mode: of a local file outside the lake.
    """

    blocks: list[str]
    sha256: str
    size: int
    version: str = ""
    mode: int = 0o600


@dataclass
class Backup:
    """One moment.

    Attributes:
        id: when it was taken, as `20270301T120000Z`; the newest is the largest.
        files: place and path (`lake/shared/...`, `home/...`) -> what is known of it.
        folders: place and path of folders outside the lake -> their mode.
        chains: use case -> newest entry of its chain, as a line.
        audit_log: name -> text of what is kept outside the lake about the audit log.
        problems: what did not match what was signed.
        told: figures and versions, for people.
    """

    id: str
    files: dict[str, Saved] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)
    chains: dict[str, str] = field(default_factory=dict)
    audit_log: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    def blocks(self) -> set[str]:
        return {block for saved in self.files.values() for block in saved.blocks}


class Repository:
    """Backups of one installation.

    Args:
        uri: folder or object store.
        keys: folder of the file of keys.
        options: credentials of the store, in deltalake's names.
    """

    def __init__(self, uri: str, keys: Path, options: dict[str, str]) -> None:
        self.uri = uri.rstrip("/")
        self.fs, path = filesystem(self.uri, fsspec_options(self.uri, options))
        self.root = path.rstrip("/")
        self.far = "://" in self.uri
        self._folder = keys
        self._lock = threading.Lock()
        self._keys: dict[str, bytes] = {}
        self._unwritten: list[str] = []
        self._claimed: set[str] = set()
        self._secret = b""
        self.written = self.bytes = 0

    @contextmanager
    def opened(self, *, make: bool = False) -> Iterator["Repository"]:
        """With its keys, alone.

        Args:
            make: where there is none yet.

        Raises:
            KeyMissing: there is a backup, and its keys are not here.
            TransientError: another process is at it.
        """
        about = self._about(make)
        self._file = self._folder / f"{about['id']}.keys"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(self._folder / f"{about['id']}.lock", "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TransientError(f"another process is at the backup {self.uri}", "Run it again later") from None
            self._read_keys(about["id"], make and about["new"])
            yield self
            self.flush()

    def _about(self, make: bool) -> dict[str, Any]:
        path = f"{self.root}/{ABOUT}"
        if self.fs.exists(path):
            found = json.loads(self.fs.cat_file(path))
            if found["format"] != FORMAT:
                raise ConfigError([f"{self.uri} was written by a newer version"], "Upgrade: pip install -U ft-platform")
            return {**found, "new": False}
        if not make:
            raise ConfigError([f"there is no backup in {self.uri}"], "Make one: ft backup")
        about = {"format": FORMAT, "id": secrets.token_hex(8)}
        write_bytes(self.fs, path, json.dumps(about).encode())
        return {**about, "new": True}

    def _read_keys(self, name: str, new: bool) -> None:
        if new:
            self._secret = secrets.token_bytes(32)
            _write_private(self._file, json.dumps({"format": FORMAT, "secret": self._secret.hex()}) + "\n")
        try:
            first, *lines = self._file.read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, ValueError):
            if not any(True for _ in self.ids()):  # killed between both
                self._read_keys(name, True)
                return
            raise KeyMissing(
                f"the keys of the backup {self.uri} are not in {self._folder} ({name}.keys)",
                "Put the folder of keys there, or correct `backup.keys`",
            ) from None
        self._secret = bytes.fromhex(json.loads(first)["secret"])
        for line in lines:
            block, _, key = line.partition(" ")
            if len(key) == 64:  # not half a line of a process that was killed
                self._keys[block] = bytes.fromhex(key)
        if lines and len(lines[-1].partition(" ")[2]) != 64:
            self._write_keys()

    def save(self, file: IO[bytes]) -> Saved:
        """Stores what can be read. Called by several threads."""
        hasher, blocks, size = hashlib.sha256(), [], 0
        while plain := file.read(BLOCK):
            hasher.update(plain)
            size += len(plain)
            blocks.append(self._block(plain))
        return Saved(blocks, hasher.hexdigest(), size)

    def _block(self, plain: bytes) -> str:
        block = hmac.digest(self._secret, plain, "sha256").hex()
        with self._lock:
            if block in self._keys or block in self._claimed:
                return block
            self._claimed.add(block)  # two keys for one place would leave one that opens nothing
        key = secrets.token_bytes(32)
        sealed = _seal(key, block, plain)
        write_bytes(self.fs, self._place(block), sealed)
        with self._lock:
            self._keys[block] = key
            self._unwritten.append(block)
            self.written, self.bytes = self.written + 1, self.bytes + len(sealed)
            full = len(self._unwritten) >= WAITING
        if full:
            self.flush()
        return block

    def holds(self, saved: Saved) -> bool:
        """Whether all its blocks can be opened."""
        return all(block in self._keys for block in saved.blocks)

    def forget_lost(self) -> int:
        """Forgets blocks that are not in their place any more, so that they are stored again. Returns how many."""
        folder = f"{self.root}/blocks"
        self.fs.invalidate_cache()
        there = {path.rsplit("/", 1)[-1] for path in (self.fs.find(folder) if self.fs.exists(folder) else [])}
        lost = [name for name in self._keys if not name.startswith(MOMENT) and name not in there]
        for name in lost:
            del self._keys[name]
        return len(lost)

    def flush(self) -> None:
        """Keys are on the disk after it."""
        with self._lock:
            if self._unwritten:
                with open(self._file, "a", encoding="utf-8") as file:
                    file.writelines(f"{block} {self._keys[block].hex()}\n" for block in self._unwritten)
                    file.flush()
                    os.fsync(file.fileno())
                self._unwritten = []

    def load(self, saved: Saved) -> Iterator[bytes]:
        """The content of a file, piece by piece.

        Raises:
            CorruptVersion: a block is missing or was changed.
            KeyMissing: a key was destroyed.
        """
        for block in saved.blocks:
            yield self._opened(block, self._place(block))

    def _opened(self, name: str, path: str) -> bytes:
        from cryptography.exceptions import InvalidTag

        if name not in self._keys:
            raise KeyMissing(f"the key of {name[:16]} in the backup {self.uri} was destroyed", "Take a newer backup")
        try:
            return _open(self._keys[name], name, bytes(self.fs.cat_file(path)))  # type: ignore[arg-type]
        except FileNotFoundError:
            raise CorruptVersion(f"{path} is missing in the backup", "Take another backup: ft restore --list") from None
        except InvalidTag:
            raise CorruptVersion(
                f"{path} was changed in the backup", "Take another backup: ft restore --list"
            ) from None

    def _place(self, block: str) -> str:
        return f"{self.root}/blocks/{block[:2]}/{block}"

    def ids(self) -> list[str]:
        """Of all moments, the newest first."""
        self.fs.invalidate_cache()
        folder = f"{self.root}/moments"
        paths = self.fs.ls(folder, detail=False) if self.fs.exists(folder) else []
        names = [path.rsplit("/", 1)[-1] for path in paths]
        return sorted((name.removesuffix(".sealed") for name in names if name.endswith(".sealed")), reverse=True)

    def add(self, backup: Backup) -> None:
        """Puts a moment on record: from now on it can be restored."""
        self.flush()
        content = {**vars(backup), "files": {path: list(vars(one).values()) for path, one in backup.files.items()}}
        packed = zlib.compress(json.dumps(content, ensure_ascii=False).encode(), 1)
        key = self._keys[f"{MOMENT}{backup.id}"] = secrets.token_bytes(32)
        self._unwritten.append(f"{MOMENT}{backup.id}")
        self.flush()
        write_bytes(self.fs, self._moment(backup.id), _seal(key, f"{MOMENT}{backup.id}", packed))

    def moment(self, wanted: str) -> Backup:
        """One moment.

        Raises:
            CorruptVersion: it was changed.
            KeyMissing: it ended with an erasure.
        """
        found = json.loads(zlib.decompress(self._opened(f"{MOMENT}{wanted}", self._moment(wanted))))
        return Backup(**{**found, "files": {path: Saved(*one) for path, one in found["files"].items()}})

    def readable(self) -> list[str]:
        """Ids of moments whose keys are here, the newest first."""
        return [one for one in self.ids() if f"{MOMENT}{one}" in self._keys]

    def _moment(self, wanted: str) -> str:
        return f"{self.root}/moments/{wanted}.sealed"

    def keep(self, wanted: Iterable[str]) -> int:
        """Ends all moments but these: first the keys that only they needed are gone, then what they opened. Returns how
        many blocks are gone."""
        kept = list(wanted)
        needed = {f"{MOMENT}{one}" for one in kept}
        for one in kept:
            needed |= self.moment(one).blocks()
        gone = self._keys.keys() - needed
        if gone:
            self._keys = {name: key for name, key in self._keys.items() if name in needed}
            self._write_keys()
        for one in self.ids():
            if one not in kept:
                self.fs.rm_file(self._moment(one))
        folder, removed = f"{self.root}/blocks", 0
        for path in self.fs.find(folder) if self.fs.exists(folder) else []:
            if path.rsplit("/", 1)[-1] not in needed:
                self.fs.rm_file(path)
                removed += 1
        return removed

    def _write_keys(self) -> None:
        first = json.dumps({"format": FORMAT, "secret": self._secret.hex()})
        _write_private(
            self._file, "\n".join([first, *(f"{name} {key.hex()}" for name, key in self._keys.items())]) + "\n"
        )


def _write_private(path: Path, text: str) -> None:
    """Only its owner may read it; the old one stays until the new one is on the disk."""
    write_bytes(LOCAL, str(path), text.encode(), 0o600)


def new_id(after: str = "") -> str:
    """The present moment, or the first one after `after`, where the clock was set back: the newest is the largest."""
    at = datetime.now(UTC)
    earlier = datetime.strptime(after, MOMENT_FORM).replace(tzinfo=UTC) if after else at
    return max(at, earlier + timedelta(microseconds=bool(after))).strftime(MOMENT_FORM)


def _seal(key: bytes, name: str, plain: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key).encrypt(NONCE, plain, name.encode())


def _open(key: bytes, name: str, sealed: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key).decrypt(NONCE, sealed, name.encode())
