"""Passwords and PINs. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.password import PasswordRecognizer
from ft_platform_tests.privacy.examples import checks_of

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
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(PasswordRecognizer(), FOUND, NOT_FOUND)
