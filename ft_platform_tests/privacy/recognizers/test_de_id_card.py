"""Serial numbers of German identity cards. T22000129 with check digit 3 and L01X00T47 with 1 are those of the
specimens. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.de_id_card import DeIdCardRecognizer
from ft_platform_tests.privacy.examples import checks_of, found, found_with_another_end

FOUND = [
    ("Personalausweis T22000129", "T22000129", "without the check digit"),
    ("Ausweisnummer: T220001293", "T220001293", "with the check digit"),
    ("vom Ausweis die Perso-Nr. l01x00t471", "l01x00t471", "lower case"),
    ("my German ID card L01X00T471D", "L01X00T471D", "with the nationality behind it"),
    ("Reisepass C01X00T478", "C01X00T478", "a passport with its check digit"),
]
NOT_FOUND = [
    ("order T220001293", "without a word"),
    ("Personalausweis T2200012934", "longer number"),
    ("Personalausweis B22000129", "no number starts with B"),
    ("Personalausweis TK2000A29", "no A in a number"),
    ("Ausweis LRHTCHKTZ", "a word"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(DeIdCardRecognizer(), FOUND, NOT_FOUND)


def test_every_other_check_digit_is_refused() -> None:
    assert found(DeIdCardRecognizer(), "Personalausweis T220001293") == ["T220001293"]
    others = found_with_another_end(DeIdCardRecognizer(), "Personalausweis T220001293", "T220001293", "0123456789")
    assert others == []
