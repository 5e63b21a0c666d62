"""Web addresses (RFC 3986; 45 CFR 164.514(b)(2)(i)(N)). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.url import UrlRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("text wa.me/447700900123 now", "wa.me/447700900123", "short link"),
    ("see t.me/annareed now", "t.me/annareed", "profile"),
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
    ("They closed it.Tell me/us why", "an ending that is a word, without its dot"),
    ("ask.me again", "an ending that is a word, without a path"),
    ("to the bank.It was closed", "missing blank"),
    ("version 1.2.3", "version"),
    ("U.S. code", "abbreviation"),
    ("e.g. this", "abbreviation"),
    ("file report.txt", "file"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(UrlRecognizer(), FOUND, NOT_FOUND)
