"""Pseudonyms are consistent within a use case and say nothing without the key."""

import base64
import hashlib
import hmac
import re

import pytest

from ft_platform.errors import KeyMissing
from ft_platform.privacy.pseudonyms import Pseudonyms, key_fingerprint, require_same_key
from ft_platform.privacy.scan import PSEUDONYM

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


def test_the_form_is_entity_and_eight_base32_digits() -> None:
    token = Pseudonyms(KEY, "complaints").token("PERSON", "Mirela Okonjo")
    assert re.fullmatch(r"<PERSON_[a-z2-7]{8}>", token)
    assert PSEUDONYM.fullmatch(token)


def test_equal_originals_have_equal_pseudonyms_in_another_process_too() -> None:
    """Calculated here by hand from RFC 5869: extract, expand, then HMAC of entity and normalized original."""
    extracted = hmac.new(b"ft_platform pseudonyms v1", KEY, hashlib.sha256).digest()
    use_case_key = hmac.new(extracted, b"complaints\x01", hashlib.sha256).digest()
    digest = hmac.new(use_case_key, b"PERSON\0mirela okonjo", hashlib.sha256).digest()
    assert Pseudonyms(KEY, "complaints").token("PERSON", "Mirela Okonjo") == f"<PERSON_{base64.b32encode(digest).decode()[:8].lower()}>"


@pytest.mark.parametrize(
    ("entity", "one", "other"),
    [
        ("PERSON", "Mirela Okonjo", "MIRELA  okonjo"),
        ("PERSON", "Zoë", "Zoe\u0308"),
        ("PHONE", "(415) 555-0132", "415 555 0132"),
        ("IBAN", "DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
    ],
)
def test_case_blanks_unicode_form_and_separators_do_not_matter(entity: str, one: str, other: str) -> None:
    pseudonyms = Pseudonyms(KEY, "complaints")
    assert pseudonyms.token(entity, one) == pseudonyms.token(entity, other)


def test_different_originals_entities_keys_and_use_cases_differ() -> None:
    tokens = {
        Pseudonyms(KEY, "complaints").token("PERSON", "Mirela"),
        Pseudonyms(KEY, "complaints").token("PERSON", "Teresa"),
        Pseudonyms(KEY, "complaints").token("USER_NAME", "Mirela"),
        Pseudonyms(KEY, "support").token("PERSON", "Mirela"),
        Pseudonyms(OTHER, "complaints").token("PERSON", "Mirela"),
    }
    assert len({t.split("_")[-1] for t in tokens}) == 5


def test_subjects_have_longer_pseudonyms_without_brackets() -> None:
    assert re.fullmatch(r"subject_[a-z2-7]{16}", Pseudonyms(KEY, "complaints").subject("customer-17"))


def test_another_key_is_noticed() -> None:
    fingerprint = key_fingerprint(KEY, "complaints")
    require_same_key(fingerprint, KEY, "complaints")
    with pytest.raises(KeyMissing, match="another key the same person would get another pseudonym"):
        require_same_key(fingerprint, OTHER, "complaints")


def test_the_fingerprint_gives_no_key_material_and_differs_by_use_case() -> None:
    assert key_fingerprint(KEY, "complaints") != key_fingerprint(KEY, "support")
    assert KEY.hex()[:16] != key_fingerprint(KEY, "complaints")


def test_a_short_key_is_refused() -> None:
    with pytest.raises(KeyMissing, match="at least 32 bytes, got 31"):
        Pseudonyms(KEY[:31], "complaints")
