import pytest

from ft_platform.records.profiling.terms import terms_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The credit card was blocked.", {"credit", "card", "credit card", "blocked"}),
        ("credit. Card", {"credit", "card"}),  # no pair over punctuation
        ("<PERSON_k3f9q2ab> lost card", {"lost", "card", "lost card"}),
        ("my <IBAN> account", {"account"}),
        ("lost <PERSON> card", {"lost", "card"}),  # what stands around a placeholder is no pair
        ("call 5551234 or x9y8 now", {"call"}),  # nothing with a digit
        ("Kreditkarte für Ärzte", {"kreditkarte", "für", "ärzte", "kreditkarte für", "für ärzte"}),
        ("don't don’t", {"don't", "don’t", "don't don’t"}),
        ("x" * 41, set()),
        ("", set()),
    ],
)
def test_terms_of_a_text(text: str, expected: set[str]) -> None:
    assert terms_of(text) == expected


def test_only_the_head_of_a_long_text_is_looked_at() -> None:
    assert terms_of("word " * 1_000 + "tail") == {"word", "word word"}
