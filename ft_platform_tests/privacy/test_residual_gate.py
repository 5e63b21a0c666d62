"""The expressions that arrow looks for first let no finding of the second scan through."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_platform.privacy.names import word_set
from ft_platform.privacy.second_scan import DETECTORS

PARTS = sorted(
    word_set("""
@ example.org ada.lovelace :// http https user:secret@host.example 123-45-6789 123 45 6789 SSN ssn ſſn social security number is # : 4111 1111 1111 1111
4111111111111111 378282246310005 DE89 3704 0044 0532 0130 00 GB82WEST12345698765432 (415) 555-0113 +44 20 7946 0958 phone Telephone: tel. cell mobile number
fax no. at is 192.168.0.1 8.8.8.8 login from ip 00:1b:63:84:45:e6 aa:bb:cc:dd:ee:ff NINO national insurance QQ 12 34 56 C AKIAABCDEFGHIJKLMNOP ghp_
MRTMTT91D08F205J 151086 95088 15108695088 PESEL 44051401359 15 070649 C 103 sk_live_abcdefghijklmnop xoxb-1234567890 Mr Mrs. Ms Smith Lovelace my name is Ada her full 12 N. Main Oak Street Avenue Rd
RT @ via @ostrowski @ada_l1 t.me/ wa.me/447700900123 /home/ada_l C:\\Users\\ada_l 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed
1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4 1M8GDM9AXKP042788 52.52000, 13.40495
///filled.count.soap born on 3 March 1984 oh seven double zero nine & Sons 4111 84 . 17 . 1 ٣ ٤ <EMAIL> <PHONE_abc234de> K
""")  # noqa: E501
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([*PARTS, " ", "\n", "-", ".", ",", "(", ")"]), max_size=14),
    st.sampled_from(["", " ", "  ", "\n", "-"]),
)
def test_every_finding_has_its_hint(parts: list[str], between: str) -> None:
    text = between.join(parts)
    for entity, detector in DETECTORS.items():
        if any(True for _ in detector.find(text)):
            assert pc.match_substring_regex(pa.array([text]), detector.hint)[0].as_py(), entity  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("US_SSN", "SOCIAL SECURITY number 123 45 6789"),
        ("US_SSN", "٣٤٥-٦٧-٨٩٠١"),  # digits of other scripts count as digits for `re`
        ("CREDIT_CARD", "4111-1111-1111-1111"),
        ("IBAN", "DE89 3704 0044 0532 0130 00"),
        ("PHONE", "Telephone number is (415) 555 2671"),
        ("PHONE", "+44 20 7946 0958"),
        ("URL_CREDENTIALS", "ftp://user:secret@host.example/x"),
        ("IP_ADDRESS", "login from 8.8.8.8"),
        ("MAC_ADDRESS", "aa:bb:cc:dd:ee:ff"),
        ("UK_NINO", "national Insurance number: AB 12 34 56 C"),
        ("IT_FISCAL_CODE", "MRTMTT91D08F205J"),
        ("NO_NATIONAL_ID", "151086 95088"),
        ("PL_PESEL", "PeſeL: 44051401359"),
        ("DE_SOCIAL_INSURANCE", "15 070649 C 103"),
        ("API_KEY", "AKIAABCDEFGHIJKLMNOP"),
        ("PERSON", "Her full name is Ada Lovelace"),
        ("ADDRESS", "12 N. Old Oak Street"),
        ("USER_NAME", "see it, @ada_é1"),
        ("USER_NAME", "RT @Ägidius"),
        ("CREDIT_CARD", "4111.1111\n1111 1111"),
        ("IBAN", "DE89\n3704 0044\n0532 0130 00"),
        ("CRYPTO_WALLET", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
        ("VEHICLE_NUMBER", "1M8GDM9AXKP042788"),
        ("COORDINATES", "52.52000,13.40495"),
        ("DATE_OF_BIRTH", "dob: 03/04/1984"),
        ("PHONE", "Oh Seven seven zero zero nine DOUBLE zero one two three"),
    ],
)
def test_the_hint_is_in_texts_at_the_edge_of_what_counts(entity: str, text: str) -> None:
    assert list(DETECTORS[entity].find(text))
    assert pc.match_substring_regex(pa.array([text]), DETECTORS[entity].hint)[0].as_py()  # type: ignore[attr-defined]
