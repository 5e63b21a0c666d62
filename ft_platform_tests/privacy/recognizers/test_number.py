"""Numbers that may be somebody's. All are fictitious."""

from ft_platform.privacy.recognizers.number import NumberRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("call 030 1234567 now", "030 1234567", "blanks"),
    ("order AB12-345 is late", "AB12-345", "letters"),
    ("on 12/05/2020 at noon", "12/05/2020", "slashes"),
    ("ticket #44117", "44117", "sign in front"),
]
NOT_FOUND = [
    ("in 2019 already", "year"),
    ("paid $1,200.50 for it", "money"),
    ("paid 500 euros", "money in words"),
    ("drove 300 miles", "counted"),
    ("after 45 of 90 days", "two digits"),
    ("some 45.5% of them", "percent"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(NumberRecognizer(), FOUND, NOT_FOUND)
