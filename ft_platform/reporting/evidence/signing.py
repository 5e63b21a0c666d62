"""Signs a pack with an Ed25519 key of the user (RFC 8032), and checks such signatures without network or lake.

`SHA256SUMS.sig`: the plain signature of the bytes of `SHA256SUMS`, 64 bytes, which openssl checks too.
`provenance.intoto.dsse.json`: the in-toto statement in a DSSE envelope
(https://github.com/secure-systems-lab/dsse/blob/master/envelope.md), as other tools of the supply chain read it.

Covered: that whoever has the private key signed exactly these bytes. Not covered: who that is, when it was signed, and
keys that were stolen or withdrawn: there is no certificate and no time stamp. Compare the public key over another way
than the pack.
"""

import base64
import binascii
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ft_platform.errors import ConfigError
from ft_platform.reporting.evidence.layout import ENVELOPE, SIGNATURE, STATEMENT, SUMS

PASSWORD = "FT_SIGNING_KEY_PASSWORD"
"""Environment variable with the password of an encrypted private key."""
PAYLOAD_TYPE = "application/vnd.in-toto+json"
SIGNATURE_BYTES = 64
MOST_KEY_BYTES = 10_000
MOST_ENVELOPE_BYTES = 50_000_000
HOW_PRIVATE = "Make a key with: openssl genpkey -algorithm ed25519 -out signing_key.pem"
HOW_PUBLIC = "Make the public key with: openssl pkey -in signing_key.pem -pubout -out public_key.pem"


class Signer:
    """Signs with a private key, which is never shown.

    Args:
        path: PEM file (PKCS#8) with an Ed25519 private key; an encrypted one needs its password in
            FT_SIGNING_KEY_PASSWORD.

    Raises:
        ConfigError: it is no such file, or the password is missing or wrong. The message never holds anything of the
            file.
    """

    def __init__(self, path: Path) -> None:
        self._key = _private_key(path)
        self.key_id = _key_id(self._key.public_key())

    def sign(self, content: bytes) -> bytes:
        return self._key.sign(content)

    def envelope(self, statement: str) -> str:
        """A DSSE envelope around an in-toto statement."""
        payload = statement.encode()
        sig = base64.b64encode(self.sign(pre_authentication(PAYLOAD_TYPE, payload))).decode()
        signature = {"keyid": self.key_id, "sig": sig}
        envelope = {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [signature],
        }
        return json.dumps(envelope, indent=1)


class PublicKey:
    """Checks signatures.

    Args:
        path: PEM file with an Ed25519 public key.

    Raises:
        ConfigError: it is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._key = _public_key(path)
        self.key_id = _key_id(self._key)

    def signed(self, content: bytes, signature: bytes) -> bool:
        """Whether the private key that belongs to this one made the signature of these bytes."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(signature, content)
        except InvalidSignature:
            return False
        return True


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """What DSSE signs: `PAE(type, body)` of its protocol, version 1.0.2."""
    name = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def signature_problems(folder: Path, key: PublicKey) -> list[str]:
    """What is wrong with the signatures of a pack. A pack is foreign input: links are not followed, and sizes are
    bounded."""
    problems = _sums_problems(folder, key)
    if (folder / STATEMENT).is_file() or os.path.lexists(folder / ENVELOPE):
        problems += _envelope_problems(folder, key)
    return problems


def _sums_problems(folder: Path, key: PublicKey) -> list[str]:
    path, sums = folder / SIGNATURE, folder / SUMS
    if not _is_file(path):
        return [f"{SIGNATURE} is missing: the pack is not signed"]
    if path.stat().st_size != SIGNATURE_BYTES:
        return [f"{SIGNATURE} is no signature: expected {SIGNATURE_BYTES} bytes, got {path.stat().st_size}"]
    if not _is_file(sums):
        return []  # told where the bytes are checked
    if not key.signed(sums.read_bytes(), path.read_bytes()):
        return [
            f"{SIGNATURE} is not the signature of {SUMS} by this key ({key.key_id[:16]}): one of them was altered, or"
            " another key signed it"
        ]
    return []


def _envelope_problems(folder: Path, key: PublicKey) -> list[str]:
    path = folder / ENVELOPE
    if not _is_file(path):
        return [f"{ENVELOPE} is missing: the statement {STATEMENT} is not signed"]
    try:
        payload_type, payload, signatures = _opened(path)
    except (ValueError, KeyError, TypeError, AttributeError):  # foreign JSON of whatever form
        return [f"{ENVELOPE} is no DSSE envelope that can be read"]
    statement = folder / STATEMENT
    problems = []
    if payload_type != PAYLOAD_TYPE or not any(
        key.signed(pre_authentication(payload_type, payload), one) for one in signatures
    ):
        problems.append(
            f"{ENVELOPE} is not signed by this key ({key.key_id[:16]}): it was altered, or another key signed it"
        )
    if not _is_file(statement) or statement.read_bytes() != payload:
        problems.append(f"{ENVELOPE} holds another statement than {STATEMENT}")
    return problems


def _opened(path: Path) -> tuple[str, bytes, list[bytes]]:
    """Type, payload and signatures of an envelope.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is none.
    """
    if path.stat().st_size > MOST_ENVELOPE_BYTES:
        raise ValueError("too large")
    envelope = json.loads(path.read_bytes())
    payload = base64.b64decode(envelope["payload"], validate=True)
    return (
        str(envelope["payloadType"]),
        payload,
        [base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]],
    )


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _key_id(key: Any) -> str:
    """sha256 of the public key (SubjectPublicKeyInfo, DER), 64 hex digits."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _private_key(path: Path) -> Any:
    ed25519, serialization = _cryptography()
    content, password = _read(path, "--sign-with", HOW_PRIVATE), os.environ.get(PASSWORD)
    try:
        key = serialization.load_pem_private_key(content, password.encode() if password else None)
    except TypeError:  # cryptography: a password where none is needed, or none where one is
        wanted = f"is encrypted: set {PASSWORD}" if not password else f"is not encrypted, and {PASSWORD} is set"
        raise ConfigError([f"the private key {path} {wanted}"]) from None
    except _unreadable():
        raise ConfigError(
            [f"{path} is no private key in PEM format, or {PASSWORD} is not its password"], HOW_PRIVATE
        ) from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ConfigError([f"{path} is a private key of another kind than Ed25519"], HOW_PRIVATE)
    return key


def _public_key(path: Path) -> Any:
    ed25519, serialization = _cryptography()
    try:
        key = serialization.load_pem_public_key(_read(path, "--public-key", HOW_PUBLIC))
    except _unreadable():
        raise ConfigError([f"{path} is no public key in PEM format"], HOW_PUBLIC) from None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise ConfigError([f"{path} is a public key of another kind than Ed25519"], HOW_PUBLIC)
    return key


def _read(path: Path, option: str, next_step: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_KEY_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{option} names {path}, which cannot be read ({error.strerror})"], next_step) from None
    if len(content) > MOST_KEY_BYTES:
        raise ConfigError([f"{option} names {path}, which is larger than a key"], next_step)
    return content


def _cryptography() -> tuple[Any, Any]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    return ed25519, serialization


def _unreadable() -> tuple[type[Exception], ...]:
    """What cryptography raises for a file that is no key, or of a kind that it does not know."""
    from cryptography.exceptions import UnsupportedAlgorithm

    return ValueError, UnsupportedAlgorithm, binascii.Error
