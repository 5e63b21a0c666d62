"""Passport numbers and machine-readable lines (ICAO Doc 9303). Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.passport import PassportRecognizer, check_digit
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("They copied my passport, number C03005988.", "C03005988", "comma in front of `number`"),
    ("passport number is 533380006", "533380006", "US, nine digits"),
    ("Passport No: C01X00T47", "C01X00T47", "German"),
    ("Reisepass Nr. C4J9Y6Z12", "C4J9Y6Z12", "German words"),
    ("my passport: A1234567", "A1234567", "letter and digits"),
    (
        "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
        "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
        "specimen line of ICAO Doc 9303-4",
    ),
]
NOT_FOUND = [
    ("I need my passport to be ready by then", "no number"),
    ("passport office 2020", "a year behind another word"),
    ("L898902C37UTO7408122F1204159ZE184226B<<<<<10", "wrong check digit"),
    ("passport renewal took 12 weeks", "duration"),
    ("passport number XXXXXXXXX", "masked"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(PassportRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(PassportRecognizer(), text) == []


def test_check_digits_are_those_of_the_specimen() -> None:
    # ICAO Doc 9303-4, appendix B: document number L898902C3 has 6, date of birth 740812 has 2, date of expiry 120415
    # has 9.
    assert [check_digit(field) for field in ("L898902C3", "740812", "120415")] == [6, 2, 9]
