"""Social security numbers (SSA 2011): 078-05-1120 and 219-09-9999 are published and void. Persons and numbers are
fictitious."""

from ft_platform.privacy.recognizers.us_ssn import UsSsnRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("My SSN is 219-09-9999.", "219-09-9999", "with hyphens"),
    ("078-05-1120", "078-05-1120", "no cue needed with hyphens"),
    ("social security number 219 09 9999", "219 09 9999", "blanks beside a cue"),
    ("ssn: 219099999", "219099999", "one piece beside a cue"),
    ("ITIN 912-70-1234", "912-70-1234", "taxpayer number"),
    ("the last four of my ssn is 9999", "9999", "last four digits"),
]
NOT_FOUND = [
    ("000-12-3456", "area 000"),
    ("666-12-3456", "area 666"),
    ("987-12-3456", "area 9xx, not an ITIN group"),
    ("219-00-9999", "group 00"),
    ("219-09-0000", "serial 0000"),
    ("219099999", "nine digits without a cue"),
    ("1219-09-9999", "inside a longer number"),
    ("ZIP 90210-1234", "ZIP+4"),
    ("$219-09-9999", "amount"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(UsSsnRecognizer(), FOUND, NOT_FOUND)
