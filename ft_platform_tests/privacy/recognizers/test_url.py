"""Web addresses (RFC 3986; 45 CFR 164.514(b)(2)(i)(N)). Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.url import UrlRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("see https://intranet/page/1", "https://intranet/page/1", "host without a dot"),
    (
        "see https://example.com/anna.reed?tab=1.",
        "https://example.com/anna.reed?tab=1",
        "scheme, without the full stop",
    ),
    ("my site www.annareed.net/blog", "www.annareed.net/blog", "www"),
    ("on annareed.co.uk today", "annareed.co.uk", "bare"),
    ("(http://Example.se/)", "http://Example.se/", "in parentheses"),
]
NOT_FOUND = [
    ("to the bank.It was closed", "missing blank"),
    ("version 1.2.3", "version"),
    ("U.S. code", "abbreviation"),
    ("e.g. this", "abbreviation"),
    ("file report.txt", "file"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(UrlRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(UrlRecognizer(), text) == []
