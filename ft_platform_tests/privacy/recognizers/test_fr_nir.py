"""French social security numbers (Insee; the key is 97 minus the number modulo 97). Persons and numbers are
fictitious."""

import pytest

from ft_platform.privacy.recognizers.fr_nir import FrNirRecognizer, nir_is_valid
from ft_platform_tests.privacy.examples import found

FOUND = [
    (
        "Mon numéro de sécu est 2 55 08 14 168 025 38",
        "2 55 08 14 168 025 38",
        "in groups, an example of the literature",
    ),
    ("NIR 269054958815780", "269054958815780", "in one piece"),
    ("1 85 05 78 006 084 91", "1 85 05 78 006 084 91", "without a word"),
    ("née en Corse : 2 94 05 2A 006 084 29", "2 94 05 2A 006 084 29", "Corsica, 2A counts as 19"),
]
NOT_FOUND = [
    ("2 55 08 14 168 025 39", "wrong key"),
    ("2 55 13 14 168 025 38", "month 13"),
    ("255081416802538000", "longer number"),
    ("4 55 08 14 168 025 38", "no such first digit"),
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]


@pytest.mark.parametrize(("text", "expected", "why"), FOUND, ids=[why for _, _, why in FOUND])
def test_it_is_found(text: str, expected: str, why: str) -> None:
    assert found(FrNirRecognizer(), text) == [expected]


@pytest.mark.parametrize(("text", "why"), NOT_FOUND, ids=[why for _, why in NOT_FOUND])
def test_ordinary_text_is_left_alone(text: str, why: str) -> None:
    assert found(FrNirRecognizer(), text) == []


def test_the_key_is_that_of_a_published_example() -> None:
    # Number 2 69 05 49 588 157 with key 80, as in the article on the number in the French encyclopedia.
    assert nir_is_valid("269054958815780") and not nir_is_valid("269054958815781")
