"""Polish tax numbers. 123-456-32-18 and 106-00-00-062 are published examples. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.pl_nip import PlNipRecognizer
from ft_platform_tests.privacy.examples import checks_of, found, found_with_another_end

FOUND = [
    ("NIP 1234563218", "1234563218", "beside its name"),
    ("123-456-32-18", "123-456-32-18", "in groups, without a word"),
    ("NIP: 106-00-00-062", "106-00-00-062", "the groups of companies"),
    ("numer NIP 123 456 32 18", "123 456 32 18", "with blanks"),
]
NOT_FOUND = [
    ("order 1234563218", "one piece without a word"),
    ("call 123 456 32 18", "blanks without a word"),
    ("NIP 0234563218", "starts with 0"),
    ("NIP 12345632181", "longer number"),
    ("nip 123-4563-218", "other groups"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(PlNipRecognizer(), FOUND, NOT_FOUND)


def test_every_other_check_digit_is_refused() -> None:
    assert found(PlNipRecognizer(), "NIP 1234563218") == ["1234563218"]
    others = found_with_another_end(PlNipRecognizer(), "NIP 1234563218", "1234563218", "0123456789")
    assert others == []
