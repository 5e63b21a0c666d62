"""Hardware addresses (IEEE 802). Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.mac_address import MacAddressRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("00:1A:2B:3C:4D:5E", "00:1A:2B:3C:4D:5E", "colons"),
    ("eth0 00-1a-2b-3c-4d-5e up", "00-1a-2b-3c-4d-5e", "hyphens"),
    ("001a.2b3c.4d5e", "001a.2b3c.4d5e", "three groups"),
]
NOT_FOUND = [
    ("00:1A:2B:3C:4D", "five pairs"),
    ("00:1A-2B:3C-4D:5E", "mixed separators"),
    ("00:1G:2B:3C:4D:5E", "no hex digit"),
    ("ff:ff:ff:ff:ff:ff", "broadcast"),
    ("1234.5678.9012", "decimal groups"),
    ("12:30:45", "time"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(MacAddressRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(MacAddressRecognizer(), text) == []
