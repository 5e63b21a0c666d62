"""Passwords and PINs. Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.password import PasswordRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("set the password to FoxHollow#43 over the phone", "FoxHollow#43", "behind `to`"),
    ("my password is Summer2020!", "Summer2020", "digits and a final sign of punctuation"),
    ("Password: hunter", "hunter", "word behind a colon"),
    ("pwd=abc123", "abc123", "assignment"),
    ('passcode was "blue sky"', "blue", "quoted"),
    ("PIN: 4821", "4821", "PIN"),
    ("my pin is 482193", "482193", "longer PIN"),
]
NOT_FOUND = [
    ("reset my password to continue", "verb behind `to`"),
    ("my password is wrong", "statement"),
    ("I forgot my password yesterday", "no value"),
    ("password is XXXX", "masked"),
    ("the pin is broken", "statement about a pin"),
    ("reset your password. 12345 people did", "next sentence"),
    ("password isn't accepted", "contraction"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(PasswordRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(PasswordRecognizer(), text) == []
