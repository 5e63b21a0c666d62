"""Ages. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.age import AgeRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("I am 34 years old", "34", "years old"),
    ("a 72-year-old man", "72", "hyphens"),
    ("aged 81, she", "81", "aged"),
    ("she turned 40.", "40", "turned"),
    ("Age: 29", "29", "field"),
    ("his 18th birthday", "18", "birthday"),
    ("34yo male", "34", "short"),
]
NOT_FOUND = [
    ("waited 30 days", "days"),
    ("5 years later", "duration"),
    ("page 34", "page"),
    ("at 10 percent", "percent"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(AgeRecognizer(), FOUND, NOT_FOUND)
