"""French social security numbers (Insee; the key is 97 minus the number modulo 97). Persons and numbers are
fictitious."""

from ft_platform.privacy.recognizers.fr_nir import FrNirRecognizer, nir_is_valid
from ft_platform_tests.privacy.examples import checks_of

FOUND = [
    (
        "Mon numéro de sécu est 2 55 08 14 168 025 38",
        "2 55 08 14 168 025 38",
        "in groups, an example of the literature",
    ),
    ("NIR 269054958815780", "269054958815780", "in one piece"),
    ("1 85 05 78 006 084 91", "1 85 05 78 006 084 91", "without a word"),
    ("née à Bastia : 1 94 05 2B 006 084 09", "1 94 05 2B 006 084 09", "Corsica, 2B counts as 18"),
    ("NIR 2550814168025 clé 38", "2550814168025 clé 38", "the key behind its name"),
    ("NIR 2550814168025/38", "2550814168025/38", "the key behind a stroke"),
    ("numéro de sécu 2 55 08 14 168 025", "2 55 08 14 168 025", "without its key, beside a word"),
    ("née en Corse : 2 94 05 2A 006 084 29", "2 94 05 2A 006 084 29", "Corsica, 2A counts as 19"),
]
NOT_FOUND = [
    ("2 55 08 14 168 025 39", "wrong key"),
    ("2 55 13 14 168 025 38", "month 13"),
    ("255081416802538000", "longer number"),
    ("2 55 08 14 168 025", "thirteen digits without a word"),
    ("NIR 2 55 08 14 168 025 39", "wrong key beside a word"),
    ("NIR 2 55 08 14 168 025 380", "a longer number beside a word"),
    ("4 55 08 14 168 025 38", "no such first digit"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(FrNirRecognizer(), FOUND, NOT_FOUND)


def test_the_key_is_that_of_a_published_example() -> None:
    # Number 2 69 05 49 588 157 with key 80, as in the article on the number in the French encyclopedia.
    assert nir_is_valid("269054958815780") and not nir_is_valid("269054958815781")
