"""National insurance numbers (HMRC NIM39110; QQ 12 34 56 C is its void example). Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.uk_nino import UkNinoRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("AB 12 34 56 C", "AB 12 34 56 C", "in groups"),
    ("JG103759A", "JG103759A", "one piece"),
    ("national insurance jg103759a", "jg103759a", "lower case beside a cue"),
]
NOT_FOUND = [
    ("QQ 12 34 56 C", "Q is never used"),
    ("GB 12 34 56 C", "prefix GB"),
    ("AO 12 34 56 C", "O as second letter"),
    ("AB 12 34 56 E", "suffix E"),
    ("AB 12 34 5 C", "five digits"),
    ("jg103759a", "lower case without a cue"),
    ("Part AB-1234", "part number"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(UkNinoRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(UkNinoRecognizer(), text) == []
