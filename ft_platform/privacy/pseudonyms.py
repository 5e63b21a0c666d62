"""Pseudonyms: equal for equal originals within a use case, unlinkable across use cases, irreversible without the
key."""

import hmac
import unicodedata
from itertools import product

from ft_platform.lake.keys.key_ring import UseCaseKeys, pseudonym_key_place, read_key_ring
from ft_platform.privacy.names import word_set
from ft_platform.use_case.settings.environment import Environment

LENGTH = 8
"""Base32 digits of a pseudonym in a text: 40 bits. Chance that any two of n originals of an entity share one: about n^2
/ 2^41, 0.005 % for 10,000 originals, 37 % for a million (then two persons look like one; nobody is revealed)."""

SUBJECT_LENGTH = 16
"""Base32 digits of a `subject_id`: 80 bits, since records are grouped by it. A shared one among 100 million: 0.4 %."""

BYTES = 10
"""Of a digest, for `SUBJECT_LENGTH` digits."""

PAIRS = ["".join(pair) for pair in product("abcdefghijklmnopqrstuvwxyz234567", repeat=2)]
"""Two digits of base32 (RFC 4648) in lower case for each number of ten bits."""

KNOWN = 100_000
"""Pseudonyms that a process remembers."""

SAME_DIGITS = word_set(
    "PHONE CREDIT_CARD IBAN US_SSN BANK_ACCOUNT DE_TAX_ID UK_NINO ES_DNI MEDICAL_RECORD_NUMBER MAC_ADDRESS"
    " DE_ID_CARD DE_SOCIAL_INSURANCE DK_CPR IT_FISCAL_CODE NL_BSN NO_NATIONAL_ID PL_NIP PL_PESEL PT_NIF"
    " SE_PERSONAL_NUMBER VEHICLE_NUMBER"
)
"""Entities whose blanks and signs mean nothing: `415-555-0123` and `(415) 555 0123` are one number."""


class Pseudonyms:
    """Makes the pseudonyms of one use case: truncated HMAC-SHA-256 in base32 (`lake.keys.key_ring`: why no cipher).

    Args:
        keys: of the use case; another use case gives other pseudonyms for the same person.
        length: base32 digits of a pseudonym in a text, 8 to 16.
    """

    def __init__(self, keys: UseCaseKeys, length: int = LENGTH) -> None:
        self._key = keys.derived("")
        self._length = length
        self._known: dict[tuple[str, str], str] = {}

    def token(self, entity: str, original: str) -> str:
        """E.g. `<PERSON_k3f9q2ab>`. Case, blanks and Unicode form of the original do not matter."""
        place = (entity, original)
        known = self._known.get(place)
        if known is None:
            if len(self._known) >= KNOWN:
                self._known.clear()
            known = self._known[place] = (
                f"<{entity}_{self._digits(entity, normalized(entity, original), self._length)}>"
            )
        return known

    def subject(self, subject_id: str) -> str:
        """E.g. `subject_k3f9q2ab7c5d4efg`. The id counts as it is, but for blanks around it."""
        return f"subject_{self._digits('subject', subject_id.strip(), SUBJECT_LENGTH)}"

    def value(self, column: str, original: str) -> str:
        """Pseudonym of a value in a column of its own, e.g. `account_k3f9q2ab7c5d4efg`. Another column gives another
        one."""
        return f"{column}_{self._digits(f'column {column}', original.strip(), SUBJECT_LENGTH)}"

    def _digits(self, kind: str, value: str, length: int) -> str:
        digest = hmac.digest(self._key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), "sha256")
        number = int.from_bytes(digest[:BYTES], "big")
        return "".join([PAIRS[number >> place & 1023] for place in range(8 * BYTES - 10, -1, -10)])[:length]


def normalized(entity: str, original: str) -> str:
    """The form in which originals are compared."""
    text = " ".join(unicodedata.normalize("NFKC", original).casefold().split())
    return "".join(c for c in text if c.isalnum()) if entity in SAME_DIGITS else text


def subject_pseudonyms(environment: Environment, use_case: str, subject_id: str) -> dict[int, str]:
    """Version of the key -> pseudonym of a person in the column `subject_id`, to find the rows of a person in the
    shared zone."""
    ring = read_key_ring(pseudonym_key_place(environment))
    return {
        version: Pseudonyms(UseCaseKeys(secret, use_case)).subject(subject_id) for version, secret in ring.keys.items()
    }
