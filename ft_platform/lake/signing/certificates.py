"""Keys and certificates (X.509, RFC 5280) with which anybody verifies a model, without this platform.

Each version of the signing key has an ECDSA P-256 key for signatures of models, which is what OpenSSF's `model_signing`
reads. Its secret is derived from that of the version, so it is kept, rotated and lost with it, and nothing more is
stored. The Ed25519 key certifies it: a root certificate of the Ed25519 key, and a certificate of the P-256 key that the
root signs.

The same version gives the same bytes, whenever and wherever they are made: a key that was restored from a backup fits
the certificates that others have.

Covered: who has the P-256 key alone learns nothing about the Ed25519 key, makes no certificates and signs nothing in
the lake. Not covered: time. A signature of a model carries no proof of when it was made, and `model_signing` looks at
no list of revoked certificates, so certificates do not end by themselves. A stolen key ends when its root is no longer
trusted (`lake.signing.models`, `ft seals certificates`).
"""

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

INFO = b"ft_platform model signatures P-256 v1"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of P-256 (NIST SP 800-186, 3.2.1.3)."""
CANDIDATE_BYTES = 48
"""64 bits more than the order, so that the remainder has no measurable bias (FIPS 186-5, A.2.1)."""
NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
"""Fixed, not the day of the first use. `model_signing` verifies as of the first day of the signer's certificate, when
the root must be valid, too."""
NOT_AFTER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Certificates without an end (RFC 5280, 4.1.2.5): a model of today must verify when its key was rotated long ago."""


def model_key(secret: bytes) -> "EllipticCurvePrivateKey":
    """The P-256 key of one version: HKDF-SHA256 (RFC 5869) of the 32 bytes that are its Ed25519 seed."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    candidate = int.from_bytes(HKDF(SHA256(), CANDIDATE_BYTES, salt=None, info=INFO).derive(secret), "big")
    return ec.derive_private_key(candidate % (ORDER - 1) + 1, ec.SECP256R1())


def certificates(version: int, key_id: str, key: "Ed25519PrivateKey") -> tuple[str, str]:
    """Root certificate of an Ed25519 key, and the certificate of its P-256 key, as PEM. They name the installation by
    its key, never a host or a person."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(of: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ft_platform installation"),
                x509.NameAttribute(NameOID.COMMON_NAME, f"{of} {key_id}, version {version}"),
            ]
        )

    root_name, own, signer = name("signing key"), key.public_key(), model_key(key.private_bytes_raw()).public_key()
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(own)
    root = _begun(root_name, root_name, own, ca=True).add_extension(_usage(key_cert_sign=True), critical=True)
    subject = name("models signed by")
    leaf = _begun(subject, root_name, signer, ca=False).add_extension(_usage(digital_signature=True), critical=True)
    leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False).add_extension(
        authority, critical=False
    )
    return _signed(root, key), _signed(leaf, key)


def _begun(subject: Any, issuer: Any, public: Any, *, ca: bool) -> Any:
    from cryptography import x509

    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    # A positive number of at most 20 bytes (RFC 5280, 4.1.2.2), another one for each key.
    serial = int.from_bytes(b"\x01" + hashlib.sha256(identifier.digest).digest()[:16], "big")
    begun = x509.CertificateBuilder(issuer, subject, public, serial, NOT_BEFORE, NOT_AFTER)
    constraints = x509.BasicConstraints(ca=ca, path_length=0 if ca else None)
    return begun.add_extension(constraints, critical=True).add_extension(identifier, critical=False)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> Any:
    from cryptography.x509 import KeyUsage

    return KeyUsage(digital_signature, False, False, False, False, key_cert_sign, False, False, False)


def _signed(begun: Any, key: "Ed25519PrivateKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return begun.sign(key, None).public_bytes(Encoding.PEM).decode()
