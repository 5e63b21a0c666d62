"""Number plates (DVLA INF104; Fahrzeug-Zulassungsverordnung section 8). Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.licence_plate import LicencePlateRecognizer
from ft_platform_tests.privacy.examples import checks_of

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
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(LicencePlateRecognizer(), FOUND, NOT_FOUND)
