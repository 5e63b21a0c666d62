"""Aadhaar numbers (UIDAI; Verhoeff check digit). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.in_aadhaar import InAadhaarRecognizer, verhoeff_is_valid
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("Aadhaar: 2341 2341 2346", "2341 2341 2346", "grouped"),
    ("my aadhaar number is 234123412346", "234123412346", "one piece behind the word"),
    ("9876-5432-1012", "9876-5432-1012", "hyphens, without a word"),
]
NOT_FOUND = [
    ("Aadhaar 2341 2341 2345", "wrong check digit"),
    ("1341 2341 2346", "starts with 1"),
    ("order 234123412346", "one piece without the word"),
    ("card 2341 2341 2346 1111", "longer number"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(InAadhaarRecognizer(), FOUND, NOT_FOUND)


def test_the_check_digit_is_that_of_the_published_example() -> None:
    # 236 has the check digit 3 (Wikipedia, "Verhoeff algorithm").
    assert [d for d in "0123456789" if verhoeff_is_valid("236" + d)] == ["3"]
