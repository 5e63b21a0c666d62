"""URLs with secrets (RFC 3986, RFC 6750). Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.url_credentials import UrlCredentialsRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("https://anna:s3cret@example.com/x.", "https://anna:s3cret@example.com/x", "user and password"),
    ("postgres://app:pw@db.example:5432/main", "postgres://app:pw@db.example:5432/main", "database"),
    (
        "see https://example.com/cb?state=1&access_token=abc123def",
        "https://example.com/cb?state=1&access_token=abc123def",
        "token parameter",
    ),
]
NOT_FOUND = [
    ("https://example.com/path?q=1", "plain URL"),
    ("https://anna@example.com/", "user without a password"),
    ("http://example.com:8080/a@b", "port and at sign in the path"),
    ("mailto:anna@example.com", "e-mail link"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(UrlCredentialsRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(UrlCredentialsRecognizer(), text) == []
