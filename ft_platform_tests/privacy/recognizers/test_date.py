"""Calendar dates. Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.date import DateRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("on 2020-03-15 14:05:00 they", "2020-03-15 14:05:00", "ISO with time"),
    ("dated 03/31/2020.", "03/31/2020", "US"),
    ("March 5th, 2019", "March 5th, 2019", "written"),
    ("am 5. Mai 2019", "5. Mai 2019", "German"),
]
NOT_FOUND = [
    ("in 2019", "year alone"),
    ("version 1.2.2019.4", "version"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(DateRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(DateRecognizer(), text) == []
