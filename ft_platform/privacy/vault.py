"""The vault: what pseudonyms and surrogates stand for, sealed for the holder of the vault key, each look-up noted.

It is optional (`privacy.vault`), lies apart from both zones under `<lake>/vault/<use_case>/`, and is written with a
public key that reads nothing: neither the anonymization step nor whoever may read the restricted zone tomorrow can open
it. Sealed with HPKE (RFC 9180: X25519, HKDF-SHA256, AES-256-GCM); use case, vault and shard are bound to each
ciphertext, so that none can stand in for another.

Covered: pseudonyms, surrogates, subjects and columns of every version that was made with `vault: true`. Each look-up
through `Vault.read` is noted before its answer is given. Not covered: somebody who has the key and the files reads them
without a note, and whoever may write below `vault/` may delete notes (use an object store with a retention lock).
A part that is sealed anew without an erased person has no trace of it."""

import hashlib
import json
import secrets
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.errors import ConfigError, CorruptVersion, KeyMissing
from ft_platform.lake import files
from ft_platform.lake.keys.key_ring import KEY_BYTES, KeyRing
from ft_platform.lake.keys.providers.file import write_private
from ft_platform.lake.places import Places
from ft_platform.people.audit_log.opening import note as noted
from ft_platform.process.account import this_account
from ft_platform.records.rows import Spool

SHARDS = 64
"""Parts of a vault. A look-up opens one of them: with ten million entries some 160,000."""

WAITING = 50_000
"""Pairs that are gathered before they are divided among the shards."""

ENTRIES = pa.schema([pa.field("pseudonym", pa.string()), pa.field("original", pa.string())])
MANIFEST = "manifest.json"
LONGEST_REASON = 500
EVERY = "*"
"""What a note names where all entries were compared."""


def _folded(value: str) -> str:
    return " ".join(value.split()).casefold()


def shard_of(pseudonym: str) -> int:
    return zlib.crc32(pseudonym.encode()) % SHARDS


@dataclass(frozen=True)
class VaultPublicKey:
    """Seals entries. It reads nothing, so it need not be secret; whoever swaps it gets the entries sealed from then
    on."""

    key: bytes

    @property
    def fingerprint(self) -> str:
        """16 hex digits."""
        return hashlib.sha256(self.key).hexdigest()[:16]

    def seal(self, plain: bytes, context: bytes) -> bytes:
        return _suite().encrypt(plain, _x25519().X25519PublicKey.from_public_bytes(self.key), info=context)


class VaultKeys:
    """Opens what was sealed for any version of the vault key.

    Args:
        ring: secrets of 32 bytes, used as X25519 private keys (RFC 7748).
    """

    def __init__(self, ring: KeyRing) -> None:
        private = _x25519().X25519PrivateKey
        keys = [private.from_private_bytes(ring.keys[version][:KEY_BYTES]) for version in sorted(ring.keys)]
        public = [VaultPublicKey(key.public_key().public_bytes_raw()) for key in keys]
        self.public = public[-1]
        """Public half of the newest version."""
        self._private = {half.fingerprint: key for half, key in zip(public, keys, strict=True)}

    def holds(self, fingerprint: str) -> bool:
        return fingerprint in self._private

    def half(self, fingerprint: str) -> VaultPublicKey:
        """The public half of a version that it holds."""
        return VaultPublicKey(self._private[fingerprint].public_key().public_bytes_raw())

    def open(self, sealed: bytes, fingerprint: str, context: bytes) -> bytes:
        """The plain bytes.

        Raises:
            CorruptVersion: the bytes or their context were changed.
        """
        from cryptography.exceptions import InvalidTag

        try:
            return _suite().decrypt(sealed, self._private[fingerprint], info=context)
        except (InvalidTag, ValueError):
            raise CorruptVersion(
                "a part of the vault was changed after it was sealed", "Restore it from a copy"
            ) from None


def new_vault_ring() -> KeyRing:
    return KeyRing({1: secrets.token_bytes(KEY_BYTES)})


def read_public_key(path: Path) -> VaultPublicKey:
    """The key that entries are sealed with.

    Raises:
        KeyMissing: there is none, or it is damaged.
    """
    _suite()
    try:
        key = bytes.fromhex(path.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        raise KeyMissing(
            f"`privacy.vault` is on, but there is no public vault key in {path}", "Make one with: ft vault init"
        ) from None
    except (OSError, ValueError) as error:
        raise KeyMissing(
            f"the public vault key {path} cannot be read ({type(error).__name__})", "Write it again with: ft vault init"
        ) from None
    if len(key) != KEY_BYTES:
        raise KeyMissing(
            f"the public vault key {path} must have {KEY_BYTES} bytes, got {len(key)}",
            "Write it again with: ft vault init",
        )
    return VaultPublicKey(key)


def write_public_key(path: Path, key: VaultPublicKey) -> None:
    write_private(path, key.key.hex() + "\n")


class VaultWriter:
    """Gathers the pairs of one version of a table and seals them (`anonymize.OriginalsSink`).

    The pairs wait in the private folder of the step, where the records themselves lie too.

    Args:
        lake: below whose root the vault lies.
        vault_id: names the vault; equal inputs have equal names, so a step that was killed leaves nothing half made and
            nothing twice.
        folder: private folder of the step.
    """

    def __init__(self, lake: Places, use_case: str, vault_id: str, key: VaultPublicKey, folder: Path) -> None:
        self._lake, self._use_case, self._key = lake, use_case, key
        self._id = f"{vault_id}-{key.fingerprint}"
        self._folder = folder / "vault"
        self._folder.mkdir(mode=0o700)
        self._spools = [Spool(self._folder / f"{shard:02d}.arrow", ENTRIES) for shard in range(SHARDS)]
        self._waiting: dict[tuple[str, str], None] = {}

    def add(self, originals: pa.Array) -> None:
        pairs = originals.flatten()
        self._waiting.update(
            dict.fromkeys(zip(pairs.field("pseudonym").to_pylist(), pairs.field("original").to_pylist(), strict=True))
        )
        if len(self._waiting) > WAITING:
            self._divide()

    def finish(self) -> int:
        self._divide()
        sealed = self._folder / "sealed"
        sealed.mkdir()
        entries = 0
        for shard, spool in enumerate(self._spools):
            if spool.num_rows:
                table = pa.Table.from_batches(list(spool.batches()), schema=ENTRIES)
                unique = (
                    table.group_by(ENTRIES.names, use_threads=False)
                    .aggregate([])
                    .sort_by([(name, "ascending") for name in ENTRIES.names])
                )
                entries += unique.num_rows
                (sealed / f"{shard:02d}.sealed").write_bytes(
                    self._key.seal(_to_bytes(unique), _context(self._use_case, self._id, shard))
                )
        manifest = {
            "use_case": self._use_case,
            "id": self._id,
            "sealed_for": self._key.fingerprint,
            "entries": entries,
            "written_at": _now(),
        }
        (sealed / MANIFEST).write_text(json.dumps(manifest, indent=1))
        fs, path = _place(self._lake, self._use_case)
        self._lake.close_zone("vault")
        files.publish_folder(fs, sealed, f"{path}/{self._id}", readable=False)
        self._lake.settle(f"{path}/{self._id}", tree=True)
        return entries

    def _divide(self) -> None:
        pairs = pa.RecordBatch.from_arrays(
            [pa.array([pair[side] for pair in self._waiting], pa.string()) for side in (0, 1)], schema=ENTRIES
        )
        shards = np.array([shard_of(pseudonym) for pseudonym, _ in self._waiting], np.int64)
        for shard in np.unique(shards):
            self._spools[shard].write(pairs.filter(pa.array(shards == shard)))
        self._waiting.clear()


class Vault:
    """The vaults of one use case, of all versions.

    Attributes:
        lake: below whose root they lie.
    """

    def __init__(self, lake: Places, use_case: str) -> None:
        self.lake, self._use_case = lake, use_case
        self._fs, self._path = _place(lake, use_case)

    def read(self, pseudonym: str, keys: VaultKeys | None, reason: str, by: str = "") -> list[str]:
        """Every original that a pseudonym or surrogate stands for, in any version. The look-up is noted first, also one
        that is refused.

        Args:
            keys: None where there is no key: the attempt is noted and refused.
            reason: why it is needed; stands in the note.
            by: who asks; empty: the account.

        Raises:
            ConfigError: no reason is given, or it is too long.
            CorruptVersion: a part of the vault was changed.
            KeyMissing: no vault can be opened with this key.
        """
        if not reason.strip() or len(reason) > LONGEST_REASON:
            raise ConfigError([f"a reason of 1 to {LONGEST_REASON} characters is required; it goes into the audit log"])
        readable = self._readable(pseudonym, keys, reason, by=by)
        originals: dict[str, None] = {}
        with self._damage_noted(pseudonym, reason, readable, by):
            for manifest in readable:
                entries = self._entries(manifest, shard_of(pseudonym), keys) if keys else []
                originals |= {one["original"]: None for one in entries if one["pseudonym"] == pseudonym}
        self._note(pseudonym, reason, f"{len(originals)} found", readable, by)
        return list(originals)

    def originals_among(self, values: Iterable[str], keys: VaultKeys, reason: str) -> int:
        """How many of the values are an original, in any version; case and blanks make no difference. Noted once, as a
        look-up of `*`, before the answer.

        Args:
            values: texts that may be originals. Which of them are is not told.
            reason: why it is needed; stands in the note.

        Raises:
            CorruptVersion: a part of the vault was changed.
            KeyMissing: no vault can be opened with this key.
        """
        asked = [_folded(value) for value in values]
        readable = self._readable(EVERY, keys, reason, required=True)
        wanted, known = set(asked), set()
        with self._damage_noted(EVERY, reason, readable):
            for manifest in readable:
                for shard in range(SHARDS):
                    known |= wanted.intersection(
                        _folded(one["original"]) for one in self._entries(manifest, shard, keys)
                    )
        found = sum(value in known for value in asked)
        self._note(EVERY, reason, f"{found} of {len(asked)} values are originals", readable)
        return found

    def originals_where(self, wanted: Callable[[str], bool], keys: VaultKeys, reason: str) -> list[str]:
        """The originals of any version that are wanted, folded: without case, and one blank between words. Noted once,
        as a look-up of `*`, before the answer.

        Args:
            wanted: called with each original, folded.
            reason: why it is needed; stands in the note.

        Raises:
            CorruptVersion: a part of the vault was changed.
            KeyMissing: no vault can be opened with this key.
        """
        readable, found = self._readable(EVERY, keys, reason), set()
        self._note(EVERY, reason, "all originals were compared with texts", readable)
        with self._damage_noted(EVERY, reason, readable):
            for manifest in readable:
                for shard in range(SHARDS):
                    originals = {_folded(one["original"]) for one in self._entries(manifest, shard, keys)}
                    found |= {one for one in originals if wanted(one)}
        return sorted(found)

    def erase(self, pseudonyms: Collection[str], originals: Collection[str], keys: VaultKeys, reason: str) -> int:
        """Destroys every pair with one of these pseudonyms or originals, in all versions: parts are sealed anew without
        them. Noted first. Returns how many.

        Raises:
            CorruptVersion: a part of the vault was changed.
            KeyMissing: no vault can be opened with this key.
        """
        readable = self._readable(EVERY, keys, reason)
        known, folded, gone = set(pseudonyms), {_folded(value) for value in originals}, 0
        self._note(EVERY, reason, "entries of erased persons are destroyed", readable)
        with self._damage_noted(EVERY, reason, readable):
            for manifest in readable:
                for shard in range(SHARDS):
                    entries = self._entries(manifest, shard, keys)
                    left = [
                        one
                        for one in entries
                        if one["pseudonym"] not in known and _folded(one["original"]) not in folded
                    ]
                    if len(left) < len(entries):
                        gone += len(entries) - len(left)
                        self._seal_anew(manifest, shard, left, keys)
        return gone

    def _seal_anew(self, manifest: dict[str, Any], shard: int, left: list[dict[str, str]], keys: VaultKeys) -> None:
        plain = _to_bytes(pa.Table.from_pylist(left, ENTRIES))
        sealed = keys.half(manifest["sealed_for"]).seal(plain, _context(self._use_case, manifest["id"], shard))
        path = f"{self._path}/{manifest['id']}/{shard:02d}.sealed"
        files.write_bytes(self._fs, path, sealed)
        self.lake.settle(path)

    def notes(self) -> list[dict[str, Any]]:
        """All look-ups, the oldest first: `{"at", "by", "use_case", "pseudonym", "reason", "outcome", "vaults"}`. Never
        an original."""
        return sorted(
            (json.loads(self._fs.cat_file(path)) for path in self._list("audit")), key=lambda note: note["at"]
        )

    def _readable(
        self, pseudonym: str, keys: VaultKeys | None, reason: str, required: bool = False, by: str = ""
    ) -> list[dict[str, Any]]:
        """Manifests of the vaults that a key opens. Without one the attempt is noted and refused; with `required` also
        where there is no vault."""
        manifests = list(self._manifests())
        readable = [manifest for manifest in manifests if keys and keys.holds(manifest["sealed_for"])]
        if readable or (keys and not manifests and not required):
            return readable
        self._note(pseudonym, reason, "refused: no fitting key", [], by)
        why = f"none of {len(manifests)} was sealed for this vault key" if keys else "there is no vault key"
        raise KeyMissing(
            f"no vault of {self._use_case} can be opened here: {why}",
            "Use the key of the role that may read (FT_VAULT_KEY_PROVIDER)",
        )

    @contextmanager
    def _damage_noted(self, pseudonym: str, reason: str, vaults: list[dict[str, Any]], by: str = "") -> Iterator[None]:
        try:
            yield
        except CorruptVersion:
            self._note(pseudonym, reason, "refused: damaged", vaults, by)
            raise

    def _entries(self, manifest: dict[str, Any], shard: int, keys: VaultKeys) -> list[dict[str, str]]:
        """All pairs of a part of a vault."""
        path = f"{self._path}/{manifest['id']}/{shard:02d}.sealed"
        if not self._fs.exists(path):
            return []
        plain = keys.open(
            self._fs.cat_file(path), manifest["sealed_for"], _context(self._use_case, manifest["id"], shard)
        )
        return _from_bytes(plain).to_pylist()

    def _manifests(self) -> Iterator[dict[str, Any]]:
        for folder in self._list(""):
            if not folder.endswith("/audit") and self._fs.exists(f"{folder}/{MANIFEST}"):
                yield json.loads(self._fs.cat_file(f"{folder}/{MANIFEST}"))

    def _list(self, below: str) -> list[str]:
        folder = f"{self._path}/{below}".rstrip("/")
        self._fs.invalidate_cache()
        return sorted(self._fs.ls(folder, detail=False)) if self._fs.exists(folder) else []

    def _note(self, pseudonym: str, reason: str, outcome: str, vaults: list[dict[str, Any]], by: str = "") -> None:
        """One file per look-up: written whole or not at all, and nobody else's note is touched."""
        note = {
            "at": _now(),
            "by": by or this_account(),
            "use_case": self._use_case,
            "pseudonym": pseudonym,
            "reason": reason,
            "outcome": outcome,
            "vaults": [manifest["id"] for manifest in vaults],
        }
        told = {name: note[name] for name in ("pseudonym", "reason", "outcome")}
        noted(self.lake, self._use_case, "look_up", "looked into the vault", by, **told)
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}.json"
        self.lake.close_zone("vault")
        files.write_bytes(
            self._fs, f"{self._path}/audit/{name}", json.dumps(note, indent=1, ensure_ascii=False).encode()
        )
        self.lake.settle(f"{self._path}/audit/{name}")


def use_cases_with_vault(lake: Places) -> list[str]:
    fs, path = _place(lake)
    fs.invalidate_cache()
    return (
        sorted(folder.rstrip("/").rsplit("/", 1)[-1] for folder in fs.ls(path, detail=False)) if fs.exists(path) else []
    )


def _place(lake: Places, use_case: str = "") -> tuple[Any, str]:
    return lake.fs, lake.path_of("vault", use_case).rstrip("/")


def _context(use_case: str, vault_id: str, shard: int) -> bytes:
    return f"ft_platform vault v1\0{use_case}\0{vault_id}\0{shard}".encode()


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _from_bytes(data: bytes) -> pa.Table:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _suite() -> Any:
    from cryptography.hazmat.primitives import hpke

    return hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def _x25519() -> Any:
    from cryptography.hazmat.primitives.asymmetric import x25519

    return x25519
