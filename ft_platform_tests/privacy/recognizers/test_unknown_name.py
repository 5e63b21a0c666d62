"""Capitalized words that nobody knows. Persons are fictitious."""

from ft_platform.privacy.recognizers.unknown_name import UnknownNameRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("we met Zorblat there", "Zorblat", "alone"),
    ("Zorblat left", "Zorblat", "start of a sentence"),
    ("in Kowalczyk's house", "Kowalczyk", "possessive"),
]
NOT_FOUND = [
    ("The Table was Yellow on Monday", "everyday words"),
    ("Equifax and the British press", "company and nationality"),
    ("paid by XXXX Card", "masked"),
    ("zorblat in lower case", "lower case"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(UnknownNameRecognizer(), FOUND, NOT_FOUND)
