"""National insurance numbers (HMRC NIM39110; QQ 12 34 56 C is its void example). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.uk_nino import UkNinoRecognizer
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("AB 12 34 56 C", "AB 12 34 56 C", "in groups"),
    ("JG103759A", "JG103759A", "one piece"),
    ("national insurance jg103759a", "jg103759a", "lower case beside a cue"),
]
NOT_FOUND = [
    ("QQ 12 34 56 C", "Q is never used"),
    ("GB 12 34 56 C", "prefix GB"),
    ("AO 12 34 56 C", "O as second letter"),
    ("AB 12 34 56 E", "suffix E"),
    ("AB 12 34 5 C", "five digits"),
    ("jg103759a", "lower case without a cue"),
    ("Part AB-1234", "part number"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(UkNinoRecognizer(), FOUND, NOT_FOUND)
