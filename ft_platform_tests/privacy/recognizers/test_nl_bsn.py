"""Dutch citizen service numbers. 111222333 and 123456782 are the numbers that documentation uses. Persons and numbers
are fictitious."""

from ft_platform.privacy.recognizers.nl_bsn import NlBsnRecognizer
from ft_platform_tests.privacy.examples import checks_of, found, found_with_another_end

FOUND = [
    ("Mijn BSN is 111222333", "111222333", "beside its name"),
    ("burgerservicenummer: 123 456 782", "123 456 782", "in threes"),
    ("1234.56.782", "1234.56.782", "the groups of payslips, without a word"),
    ("BSN 010464554", "010464554", "starts with 0"),
]
NOT_FOUND = [
    ("order 123456782", "nine digits without a word"),
    ("BSN 000000000", "zeros"),
    ("BSN 1234567820", "longer number"),
    ("BSN 12345678", "eight digits"),
    ("BSN 123456782,50", "an amount"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(NlBsnRecognizer(), FOUND, NOT_FOUND)


def test_every_other_check_digit_is_refused() -> None:
    assert found(NlBsnRecognizer(), "BSN 123456782") == ["123456782"]
    others = found_with_another_end(NlBsnRecognizer(), "BSN 123456782", "123456782", "0123456789")
    assert others == []
