"""Passport numbers and machine-readable lines (ICAO Doc 9303). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.passport import PassportRecognizer, check_digit
from ft_platform_tests.privacy.examples import checks_of

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
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(PassportRecognizer(), FOUND, NOT_FOUND)


def test_check_digits_are_those_of_the_specimen() -> None:
    # ICAO Doc 9303-4, appendix B: document number L898902C3 has 6, date of birth 740812 has 2, date of expiry 120415
    # has 9.
    assert [check_digit(field) for field in ("L898902C3", "740812", "120415")] == [6, 2, 9]
