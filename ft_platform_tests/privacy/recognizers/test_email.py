"""E-mail addresses (RFC 5321, RFC 5322, RFC 6531). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.email import EmailRecognizer
from ft_platform_tests.privacy.examples import checks_of

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
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(EmailRecognizer(), FOUND, NOT_FOUND)
