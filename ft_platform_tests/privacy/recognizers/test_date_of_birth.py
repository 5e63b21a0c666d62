"""Dates of birth. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.date_of_birth import DateOfBirthRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    (
        "I was born on the third of March nineteen eighty-four.",
        "third of March nineteen eighty-four",
        "in words",
    ),
    (
        "She was born March twenty-first, two thousand and one",
        "March twenty-first, two thousand and one",
        "month first",
    ),
    ("date of birth: 3rd of April nineteen seventy", "3rd of April nineteen seventy", "the year in words"),
    ("born 03/04/1980", "03/04/1980", "born"),
    ("DOB: 1980-04-03", "1980-04-03", "ISO"),
    ("date of birth is April 3, 1980", "April 3, 1980", "written"),
    ("She was born on the 3rd of April 1980.", "3rd of April 1980", "ordinal"),
    ("geboren am 3.4.1980", "3.4.1980", "German"),
    ("04/03/1980 (DOB)", "04/03/1980", "cue behind"),
    ("my birthday is 4/3/80", "4/3/80", "two-digit year"),
]
NOT_FOUND = [
    ("It was sent on the third of March nineteen eighty-four.", "no word of birth"),
    ("I opened the account on 03/04/1980", "date without a cue"),
    ("born in a small town. On 03/04/1980 I moved", "other sentence"),
    ("My DOB is XX/XX/1980", "masked"),
    ("DOB is XXXX my SS # XXXX", "masked in full"),
    ("the loan was borne 03 times", "no date"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(DateOfBirthRecognizer(), FOUND, NOT_FOUND)
