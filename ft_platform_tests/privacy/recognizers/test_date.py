"""Calendar dates. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.date import DateRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("on 2020-03-15 14:05:00 they", "2020-03-15 14:05:00", "ISO with time"),
    ("dated 03/31/2020.", "03/31/2020", "US"),
    ("March 5th, 2019", "March 5th, 2019", "written"),
    ("am 5. Mai 2019", "5. Mai 2019", "German"),
]
NOT_FOUND = [
    ("in 2019", "year alone"),
    ("version 1.2.2019.4", "version"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(DateRecognizer(), FOUND, NOT_FOUND)
