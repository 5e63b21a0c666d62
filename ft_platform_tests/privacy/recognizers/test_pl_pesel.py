"""Polish identity numbers. 44051401359 is the example of the Polish encyclopedia's article, 02070803628 that of gov.pl.
Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.pl_pesel import PlPeselRecognizer
from ft_platform_tests.privacy.examples import checks_of, found, found_with_another_end

FOUND = [
    ("PESEL: 44051401359", "44051401359", "beside its name"),
    ("02070803628", "02070803628", "without a word"),
    ("PESEL 90013145676", "90013145676", "31 January"),
    ("numer PESEL 02270803624", "02270803624", "born in 2002: month plus 20"),
]
NOT_FOUND = [
    ("PESEL 44133001359", "month 13"),
    ("PESEL 44053201353", "day 32, with the right check digit"),
    ("PESEL 90043145679", "31 April, with the right check digit"),
    ("PESEL 44851401359", "born in 1844"),
    ("PESEL 440514013590", "longer number"),
    ("PESEL 4405140135", "ten digits"),
    ("44051401359.50 PLN", "an amount"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(PlPeselRecognizer(), FOUND, NOT_FOUND)


def test_every_other_check_digit_is_refused() -> None:
    assert found(PlPeselRecognizer(), "PESEL 44051401359") == ["44051401359"]
    others = found_with_another_end(PlPeselRecognizer(), "PESEL 44051401359", "44051401359", "0123456789")
    assert others == []
