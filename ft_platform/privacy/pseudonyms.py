"""Pseudonyms: equal for equal originals within a use case, unlinkable across use cases, irreversible without the key."""

import base64
import hashlib
import hmac
import unicodedata

from ft_platform.errors import KeyMissing

LENGTH = 8
"""Base32 digits of a pseudonym in a text: 40 bits. Chance that any two of n originals of an entity share one: about n^2 / 2^41,
0.005 % for 10,000 originals, 37 % for a million (then two persons look like one; nobody is revealed)."""

SUBJECT_LENGTH = 16
"""Base32 digits of a `subject_id`: 80 bits, since records are grouped by it. A shared one among 100 million: 0.4 %."""

SAME_DIGITS = {"PHONE", "CREDIT_CARD", "IBAN", "US_SSN", "BANK_ACCOUNT", "DE_TAX_ID", "UK_NINO", "ES_DNI", "MEDICAL_RECORD_NUMBER", "MAC_ADDRESS"}
"""Entities whose blanks and signs mean nothing: `415-555-0123` and `(415) 555 0123` are one number."""


class Pseudonyms:
    """Makes the pseudonyms of one use case.

    Args:
        key: secret of the installation, at least 32 bytes.
        use_case: name; another use case gives other pseudonyms for the same person.

    Raises:
        KeyMissing: the key is too short.
    """

    def __init__(self, key: bytes, use_case: str) -> None:
        self._key = _use_case_key(key, use_case)
        self._known: dict[tuple[str, str], str] = {}

    def token(self, entity: str, original: str) -> str:
        """E.g. `<PERSON_k3f9q2ab>`. Case, blanks and Unicode form of the original do not matter."""
        place = (entity, original)
        if place not in self._known:
            self._known[place] = f"<{entity}_{self._digits(entity, normalized(entity, original), LENGTH)}>"
        return self._known[place]

    def subject(self, subject_id: str) -> str:
        """E.g. `subject_k3f9q2ab7c5d4efg`. The id counts as it is, but for blanks around it."""
        return f"subject_{self._digits('subject', subject_id.strip(), SUBJECT_LENGTH)}"

    def _digits(self, kind: str, value: str, length: int) -> str:
        digest = hmac.digest(self._key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), "sha256")
        return base64.b32encode(digest).decode()[:length].lower()


def normalized(entity: str, original: str) -> str:
    """The form in which originals are compared."""
    text = " ".join(unicodedata.normalize("NFKC", original).casefold().split())
    return "".join(c for c in text if c.isalnum()) if entity in SAME_DIGITS else text


def key_fingerprint(key: bytes, use_case: str) -> str:
    """16 hex digits that tell keys apart and give nothing away about them."""
    return hmac.digest(_use_case_key(key, use_case), b"fingerprint", "sha256").hex()[:16]


def require_same_key(expected_fingerprint: str, key: bytes, use_case: str) -> None:
    """Returns if `key` is the one that the use case's pseudonyms were made with.

    Raises:
        KeyMissing: it is another one. New pseudonyms would not match the old ones: persons would be split in two.
    """
    if not hmac.compare_digest(expected_fingerprint, key_fingerprint(key, use_case)):
        raise KeyMissing(
            f"{use_case}: the pseudonym key is not the one that earlier versions of anonymized_records were made with "
            f"(fingerprint {expected_fingerprint} expected); with another key the same person would get another pseudonym",
            "Restore the key in FT_PSEUDONYM_KEY or FT_KEY_FILE",
        )


def _use_case_key(key: bytes, use_case: str) -> bytes:
    """HKDF-SHA256 (RFC 5869) with one block of output: extract with a fixed salt, expand with the use case's name."""
    if len(key) < 32:
        raise KeyMissing(f"the pseudonym key must have at least 32 bytes, got {len(key)}", "Create one once with: ft init")
    extracted = hmac.digest(b"ft_platform pseudonyms v1", key, hashlib.sha256)
    return hmac.digest(extracted, use_case.encode() + b"\x01", "sha256")
