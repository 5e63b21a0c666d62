"""Pseudonyms are consistent within a use case and say nothing without the key."""

import base64
import hashlib
import hmac
import re

import pytest

from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.privacy.pseudonyms import KNOWN, Pseudonyms
from ft_platform.privacy.spans import PSEUDONYM

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


def pseudonyms(key: bytes = KEY, use_case: str = "complaints", length: int = 8) -> Pseudonyms:
    return Pseudonyms(UseCaseKeys(key, use_case), length)


@pytest.mark.parametrize("length", [8, 12, 16])
def test_the_form_is_entity_and_base32_digits_that_the_scanner_knows(length: int) -> None:
    token = pseudonyms(length=length).token("PERSON", "Mirela Okonjo")
    assert re.fullmatch(rf"<PERSON_[a-z2-7]{{{length}}}>", token)
    assert PSEUDONYM.fullmatch(token)


def test_a_longer_pseudonym_begins_with_the_shorter_one() -> None:
    assert pseudonyms(length=12).token("PERSON", "Mirela")[:16] == pseudonyms().token("PERSON", "Mirela")[:16]


def test_equal_originals_have_equal_pseudonyms_in_another_process_too() -> None:
    """Calculated here by hand from RFC 5869: extract, expand, then HMAC of entity and normalized original. Lakes of the
    first release hold these."""
    extracted = hmac.new(b"ft_platform pseudonyms v1", KEY, hashlib.sha256).digest()
    use_case_key = hmac.new(extracted, b"complaints\x01", hashlib.sha256).digest()
    digest = hmac.new(use_case_key, b"PERSON\0mirela okonjo", hashlib.sha256).digest()
    assert pseudonyms().token("PERSON", "Mirela Okonjo") == f"<PERSON_{base64.b32encode(digest).decode()[:8].lower()}>"


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
    assert pseudonyms().token(entity, one) == pseudonyms().token(entity, other)


def test_different_originals_entities_keys_and_use_cases_differ() -> None:
    tokens = {
        pseudonyms().token("PERSON", "Mirela"),
        pseudonyms().token("PERSON", "Teresa"),
        pseudonyms().token("USER_NAME", "Mirela"),
        pseudonyms(use_case="support").token("PERSON", "Mirela"),
        pseudonyms(OTHER).token("PERSON", "Mirela"),
    }
    assert len({t.split("_")[-1] for t in tokens}) == 5


def test_nothing_links_a_person_across_two_use_cases() -> None:
    """Neither a pseudonym in a text nor a subject nor a value of a column is the same anywhere in the other use
    case."""
    persons = [f"Person {i}" for i in range(500)]
    one, other = (
        {
            made.split("_")[-1].strip(">")
            for p in persons
            for made in (p_.token("PERSON", p), p_.subject(p), p_.value("account", p))
        }
        for p_ in (pseudonyms(), pseudonyms(use_case="support"))
    )
    assert len(one) == len(other) == 1500 and not one & other


def test_subjects_and_columns_have_longer_pseudonyms_without_brackets() -> None:
    assert re.fullmatch(r"subject_[a-z2-7]{16}", pseudonyms().subject("customer-17"))
    assert pseudonyms().subject(" customer-17 ") == pseudonyms().subject("customer-17")
    assert re.fullmatch(r"account_[a-z2-7]{16}", pseudonyms().value("account", "customer-17"))
    assert pseudonyms().value("account", "17").split("_")[1] != pseudonyms().value("branch", "17").split("_")[1]


def test_more_originals_than_are_remembered_change_nothing() -> None:
    made = pseudonyms()
    first = made.token("PERSON", "person 0")
    for number in range(KNOWN + 10):
        made.token("PERSON", f"person {number}")
    assert made.token("PERSON", "person 0") == first
