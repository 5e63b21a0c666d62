"""Portuguese tax numbers. 123456789 is valid. Persons and numbers are fictitious."""

from ft_platform.privacy.recognizers.pt_nif import PtNifRecognizer
from ft_platform_tests.privacy.examples import checks_of, found, found_with_another_end

FOUND = [
    ("NIF 123456789", "123456789", "beside its name"),
    ("o meu número de contribuinte é 232 013 969", "232 013 969", "in threes"),
    ("NIF 200000080", "200000080", "the remainder asks for 10, which becomes 0"),
    ("N.I.F. 287024008", "287024008", "abbreviation with dots"),
    ("contribuinte n.º 451234561", "451234561", "not resident"),
]
NOT_FOUND = [
    ("order 123456789", "without a word"),
    ("NIF 501964843", "a company"),
    ("NIF 1234567890", "longer number"),
    ("NIF 123.456 789", "two kinds of separators"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(PtNifRecognizer(), FOUND, NOT_FOUND)


def test_every_other_check_digit_is_refused() -> None:
    assert found(PtNifRecognizer(), "NIF 123456789") == ["123456789"]
    others = found_with_another_end(PtNifRecognizer(), "NIF 123456789", "123456789", "0123456789")
    assert others == []
