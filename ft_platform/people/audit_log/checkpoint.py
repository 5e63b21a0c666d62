"""Signed checkpoints of the audit log in the format of transparency logs: size and root of the tree as a signed note.

Any log or witness that takes such checkpoints can take these: https://c2sp.org/tlog-checkpoint and
https://c2sp.org/signed-note, signature type Ed25519."""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ft_platform.lake.journal import Keys
from ft_platform.lake.signing.keys import PublicKey

ED25519 = b"\x01"
"""Signature type (signed-note, "Signature types")."""
ID_BYTES = 4
DASH = "\N{EM DASH}"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says. Only a signature makes it count: `signer`.

    Attributes:
        origin: name of the log.
        size: entries.
        root: of their tree.
        text: what is signed.
        signatures: name of the key, its id and the signature.
    """

    origin: str
    size: int
    root: bytes
    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    def signer(self, keys: Iterable[PublicKey]) -> PublicKey | None:
        """The known key that signed it."""
        for name, key_id, signature in self.signatures:
            for key in keys:
                if name == self.origin and key_id == _key_id(name, key) and key.signed(self.text.encode(), signature):
                    return key
        return None


def sign(origin: str, size: int, root: bytes, keys: Keys) -> str:
    """A checkpoint as a note, signed by the newest key."""
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = keys.sign(text.encode())
    signed = _key_id(origin, keys.public[keys.newest]) + signature
    return f"{text}\n{DASH} {origin} {base64.b64encode(signed).decode()}\n"


def parts(note: str) -> tuple[str, tuple[tuple[str, bytes, bytes], ...]]:
    """Text and signatures of a signed note.

    Raises:
        ValueError: it is none.
    """
    text, blank, signed = note.rpartition("\n\n")
    found = []
    for line in signed.removesuffix("\n").split("\n"):
        dash, name, encoded = line.split(" ")
        decoded = base64.b64decode(encoded, validate=True)
        found.append((name, decoded[:ID_BYTES], decoded[ID_BYTES:]))
        if dash != DASH:
            raise ValueError("not a signature")
    if not blank or not note.endswith("\n"):
        raise ValueError("not a signed note")
    return f"{text}\n", tuple(found)


def read(note: str) -> Checkpoint:
    """A note as a checkpoint.

    Raises:
        ValueError: it is none.
    """
    text, signatures = parts(note)
    lines = text.split("\n")
    if len(lines) < 4 or not all(lines[:-1]) or not re.fullmatch("0|[1-9][0-9]*", lines[1]):
        raise ValueError("not a checkpoint")
    return Checkpoint(lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True), text, signatures)


def verifier_key(origin: str, key: PublicKey) -> str:
    """The public key as witnesses and other verifiers take it (signed-note, "Verifier keys")."""
    return f"{origin}+{_key_id(origin, key).hex()}+{base64.b64encode(ED25519 + _raw(key)).decode()}"


def public_key(verifier: str) -> PublicKey:
    """The key of `verifier_key`.

    Raises:
        ValueError: it is none, or not of Ed25519.
    """
    name, key_id, encoded = verifier.strip().split("+", 2)
    raw = base64.b64decode(encoded, validate=True)
    key = PublicKey(0, hashlib.sha256(raw[1:]).hexdigest()[:16], base64.b64encode(raw[1:]).decode())
    if raw[:1] != ED25519 or len(raw) != 33 or _key_id(name, key).hex() != key_id:
        raise ValueError("not a verifier key of Ed25519")
    return key


def _raw(key: PublicKey) -> bytes:
    return base64.b64decode(key.public)


def _key_id(name: str, key: PublicKey) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + _raw(key)).digest()[:ID_BYTES]
