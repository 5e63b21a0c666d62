"""Vehicle identification numbers. `1M8GDM9AXKP042788` is the worked example of the check digit, the others are made
up."""

from ft_platform.privacy.recognizers.vehicle_number import VehicleNumberRecognizer
from ft_platform_tests.privacy.examples import checks_of, found, found_with_another_end

EXAMPLE = "1M8GDM9AXKP042788"
FOUND = [
    (f"the car {EXAMPLE} was towed", EXAMPLE, "with its check digit"),
    ("my VIN is WVWZZZ1JZXW000001.", "WVWZZZ1JZXW000001", "European, behind its name"),
    ("Fahrgestellnummer: wvwzzz1jzxw000001", "wvwzzz1jzxw000001", "in small letters"),
    ("11111111111111111 is a VIN: 1M8GDM9AXKP042788", EXAMPLE, "digits alone are none"),
]
NOT_FOUND = [
    ("the car WVWZZZ1JZXW000001 was towed", "no check digit and no word"),
    ("order 12345678901234567", "digits only"),
    ("VIN: INTERNATIONALISMS", "letters only, with an I"),
    ("1M8GDM9AXKP0427881", "18 characters"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(VehicleNumberRecognizer(), FOUND, NOT_FOUND)


def test_a_wrong_check_digit_is_no_number() -> None:
    others = [EXAMPLE[:8] + char + EXAMPLE[9:] for char in "0123456789"]
    assert [found(VehicleNumberRecognizer(), one) for one in others] == [[]] * 10
    assert found_with_another_end(VehicleNumberRecognizer(), EXAMPLE, EXAMPLE, "0123456789") == []
