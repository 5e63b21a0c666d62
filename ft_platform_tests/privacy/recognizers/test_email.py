"""E-mail addresses (RFC 5321, RFC 5322, RFC 6531). Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.email import EmailRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("Write to anna.reed@example.com.", "anna.reed@example.com", "plain"),
    ("<o'neil+tag@mail.example.co.uk>", "o'neil+tag@mail.example.co.uk", "tag and subdomain"),
    ("jörg@müller.example", "jörg@müller.example", "letters of any script"),
    ("anna [at] example [dot] com", "anna [at] example [dot] com", "spelled out"),
    ("mail:ANNA_REED@EXAMPLE.COM;", "ANNA_REED@EXAMPLE.COM", "upper case"),
]
NOT_FOUND = [
    ("Meet @ noon", "at sign alone"),
    ("user@localhost is the default", "host without a dot"),
    ("@example.com", "no local part"),
    ("anna@@example.com", "two at signs"),
    ("price@5.00", "digits as domain"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(EmailRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(EmailRecognizer(), text) == []
