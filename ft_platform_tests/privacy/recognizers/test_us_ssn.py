"""Social security numbers (SSA 2011): 078-05-1120 and 219-09-9999 are published and void. Persons and numbers are
fictitious."""

import pytest

from ft_platform.privacy.recognizers.us_ssn import UsSsnRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("My SSN is 219-09-9999.", "219-09-9999", "with hyphens"),
    ("078-05-1120", "078-05-1120", "no cue needed with hyphens"),
    ("social security number 219 09 9999", "219 09 9999", "blanks beside a cue"),
    ("ssn: 219099999", "219099999", "one piece beside a cue"),
    ("ITIN 912-70-1234", "912-70-1234", "taxpayer number"),
    ("the last four of my ssn is 9999", "9999", "last four digits"),
]
NOT_FOUND = [
    ("000-12-3456", "area 000"),
    ("666-12-3456", "area 666"),
    ("987-12-3456", "area 9xx, not an ITIN group"),
    ("219-00-9999", "group 00"),
    ("219-09-0000", "serial 0000"),
    ("219099999", "nine digits without a cue"),
    ("1219-09-9999", "inside a longer number"),
    ("ZIP 90210-1234", "ZIP+4"),
    ("$219-09-9999", "amount"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(UsSsnRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(UsSsnRecognizer(), text) == []
