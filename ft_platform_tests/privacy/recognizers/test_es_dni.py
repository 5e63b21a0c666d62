"""Spanish numbers: 12345678Z and X1234567L are the published examples. Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.es_dni import EsDniRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("DNI 12345678Z", "12345678Z", "citizen"),
    ("12345678-Z", "12345678-Z", "hyphen, no cue needed"),
    ("12.345.678-Z", "12.345.678-Z", "with dots"),
    ("X1234567L", "X1234567L", "foreigner"),
    ("dni 12345678z", "12345678z", "lower case beside a cue"),
]
NOT_FOUND = [
    ("12345678A", "wrong letter"),
    ("1234567Z", "seven digits"),
    ("12345678z", "lower case without a cue"),
    ("112345678Z", "nine digits"),
    ("X123456L", "NIE too short"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(EsDniRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(EsDniRecognizer(), text) == []
