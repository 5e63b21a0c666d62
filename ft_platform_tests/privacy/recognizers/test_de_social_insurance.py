"""German social insurance numbers. 15070649C103 is the example of the German encyclopedia's article. Persons and
numbers are fictitious."""

from ft_platform.privacy.recognizers.de_social_insurance import DeSocialInsuranceRecognizer
from ft_platform_tests.privacy.examples import checks_of, found, found_with_another_end

FOUND = [
    ("Rentenversicherungsnummer: 10 010490 A 44 3", "10 010490 A 44 3", "beside its name"),
    ("15070649C103", "15070649C103", "in one piece, without a word"),
    ("15 070649 C 103", "15 070649 C 103", "in groups"),
    ("SV-Nummer 15 070649 c 103", "15 070649 c 103", "lower case beside a word"),
]
NOT_FOUND = [
    ("15 070649 c 103", "lower case without a word"),
    ("SV-Nummer 05070649C101", "no such area, with the right check digit"),
    ("SV-Nummer 15071349C107", "month 13, with the right check digit"),
    ("SV-Nummer 15320649C102", "day 32, with the right check digit"),
    ("SV-Nummer 15070649C1030", "longer number"),
    ("SV-Nummer 15070649C10", "shorter"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(DeSocialInsuranceRecognizer(), FOUND, NOT_FOUND)


def test_every_other_check_digit_is_refused() -> None:
    assert found(DeSocialInsuranceRecognizer(), "SV-Nummer 15070649C103") == ["15070649C103"]
    others = found_with_another_end(
        DeSocialInsuranceRecognizer(), "SV-Nummer 15070649C103", "15070649C103", "0123456789"
    )
    assert others == []
