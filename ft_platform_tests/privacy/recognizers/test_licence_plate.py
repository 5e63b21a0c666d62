"""Number plates (DVLA INF104; Fahrzeug-Zulassungsverordnung section 8). Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.licence_plate import LicencePlateRecognizer
from ft_platform_tests.privacy.examples import found

FOUND = [
    ("license plate 7ABC123", "7ABC123", "US"),
    ("a car with the plate number ABC-1234 left", "ABC-1234", "hyphen"),
    ("my car AB12 CDE was towed", "AB12 CDE", "British near a car"),
    ("Kennzeichen B-AB 1234", "B-AB 1234", "German"),
    ("Das Auto M-X 77E stand dort", "M-X 77E", "German electric near a car"),
    ("vehicle registration KA 01 HH", "KA 01 HH", "registration"),
]
NOT_FOUND = [
    ("registration number is required", "no plate"),
    ("in room AB12 CDE", "British form without a car"),
    ("dinner plate 12", "lower-case word and digits"),
    ("license plate XXXX", "masked"),
    ("the registration of 2019", "year"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(LicencePlateRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(LicencePlateRecognizer(), text) == []
