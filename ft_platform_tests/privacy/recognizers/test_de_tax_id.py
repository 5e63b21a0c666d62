"""German tax ids: examples of the Bundeszentralamt für Steuern. Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.de_tax_id import DeTaxIdRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("Steuer-ID 86095742719", "86095742719", "beside a cue"),
    ("86 095 742 719", "86 095 742 719", "in groups"),
    ("meine IdNr: 47036892816", "47036892816", "abbreviation"),
]
NOT_FOUND = [
    ("Steuer-ID 86095742718", "check digit wrong"),
    ("86095742719", "eleven digits without a cue"),
    ("Steuer-ID 12345678901", "no digit twice"),
    ("Steuer-ID 06095742719", "starts with 0"),
    ("Steuer-ID 8609574271", "ten digits"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(DeTaxIdRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(DeTaxIdRecognizer(), text) == []
