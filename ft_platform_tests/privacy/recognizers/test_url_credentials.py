"""URLs with secrets (RFC 3986, RFC 6750). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.url_credentials import UrlCredentialsRecognizer
from ft_platform_tests.privacy.examples import checks_of

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
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(UrlCredentialsRecognizer(), FOUND, NOT_FOUND)
