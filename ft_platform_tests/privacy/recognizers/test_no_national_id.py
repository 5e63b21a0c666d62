"""Norwegian national identity numbers: 151086 95088 is the example of python-stdnum. Persons and numbers are
fictitious."""

from ft_platform.privacy.recognizers.no_national_id import NoNationalIdRecognizer
from ft_platform_tests.privacy.examples import checks_of, found, found_with_another_end

FOUND = [
    ("Fødselsnummer: 15108695088", "15108695088", "beside its name"),
    ("151086 95088", "151086 95088", "in two groups, without a word"),
    ("D-nummer 55108600100", "55108600100", "of a foreigner: day plus 40"),
]
NOT_FOUND = [
    ("fnr 15138600006", "month 13, with the right check digits"),
    ("fnr 32108600070", "day 32, with the right check digits"),
    ("fnr 21896000036", "a number for tests: month plus 80"),
    ("fnr 151086950881", "longer number"),
    ("fnr 1510869508", "ten digits"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(NoNationalIdRecognizer(), FOUND, NOT_FOUND)


def test_every_other_check_digit_is_refused() -> None:
    assert found(NoNationalIdRecognizer(), "fnr 15108695088") == ["15108695088"]
    others = found_with_another_end(NoNationalIdRecognizer(), "fnr 15108695088", "15108695088", "0123456789", ends=2)
    assert others == []
