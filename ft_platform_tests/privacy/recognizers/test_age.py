"""Ages. Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.age import AgeRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("I am 34 years old", "34", "years old"),
    ("a 72-year-old man", "72", "hyphens"),
    ("aged 81, she", "81", "aged"),
    ("she turned 40.", "40", "turned"),
    ("Age: 29", "29", "field"),
    ("his 18th birthday", "18", "birthday"),
    ("34yo male", "34", "short"),
]
NOT_FOUND = [
    ("waited 30 days", "days"),
    ("5 years later", "duration"),
    ("page 34", "page"),
    ("at 10 percent", "percent"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(AgeRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(AgeRecognizer(), text) == []
