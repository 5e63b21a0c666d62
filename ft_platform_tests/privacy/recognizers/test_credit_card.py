"""Card numbers: test numbers published by the networks, Luhn (ISO/IEC 7812-1). Persons and numbers are fictitious."""

import pytest

from ft_platform.privacy.recognizers.credit_card import CreditCardRecognizer, luhn_is_valid
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    ("it was 4111.1111.1111.1111 then", "4111.1111.1111.1111", "with dots"),
    ("it was 4111 1111\n1111 1111 then", "4111 1111\n1111 1111", "over two lines"),
    ("it was 4111 1111 11\n11 1111 then", "4111 1111 11\n11 1111", "cut in a group"),
    ("on credit card 060426070011 now", "060426070011", "Maestro, twelve digits"),
    ("4111111111111111", "4111111111111111", "Visa"),
    ("4111 1111 1111 1111.", "4111 1111 1111 1111", "in groups"),
    ("5555-5555-5555-4444", "5555-5555-5555-4444", "Mastercard"),
    ("378282246310005", "378282246310005", "American Express"),
    ("6011111111111117", "6011111111111117", "Discover"),
    ("3530111333300000", "3530111333300000", "JCB"),
    ("30569309025904", "30569309025904", "Diners"),
    ("my card 5019717010103742", "5019717010103742", "unknown network beside a cue"),
]
NOT_FOUND = [
    ("4111.1111.1111.1112", "with dots and a wrong check digit"),
    ("1 4000\n2 3000\n3 2000", "lines of a table"),
    ("reference 060426070012 on the card", "Maestro prefix with a wrong check digit"),
    ("4111111111111112", "Luhn fails"),
    ("4111 1111 1111 111", "too short"),
    ("0000000000000000", "one digit repeated"),
    ("tracking 9400100000000000000002", "not a card prefix"),
    ("order 5019717010103742", "passes Luhn, unknown network, no cue"),
    ("4111111111111111.50", "amount"),
    ("$4111111111111111", "amount with currency"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(CreditCardRecognizer(), FOUND, NOT_FOUND)


@pytest.mark.parametrize(("digits", "valid"), [("79927398713", True), ("79927398710", False), ("79927398714", False)])
def test_luhn_as_in_the_worked_example_of_the_patent(digits: str, valid: bool) -> None:
    assert luhn_is_valid(digits) is valid
