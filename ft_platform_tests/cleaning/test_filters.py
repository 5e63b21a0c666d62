import pytest

from ft_platform.cleaning.filters import CleanedRecord, filters, reason_to_remove
from ft_platform_tests.tables import use_case

BOUNDS = {"min_characters": 5, "max_characters": 12}


@pytest.mark.parametrize(
    ("text", "answer", "label", "kind", "reason"),
    [
        ("12345", None, "a", "classification", None),  # shortest
        ("1234", None, "a", "classification", "too_short"),
        ("123456789012", None, "a", "classification", None),  # longest
        ("1234567890123", None, "a", "classification", "too_long"),
        ("", None, "a", "classification", "empty"),
        (" \u3000 ", None, "a", "classification", "empty"),
        ("123456", None, None, "classification", "label_missing"),
        ("123456", None, "", "classification", "label_missing"),
        ("123456", "yes", None, "generation", None),  # no label is needed to generate
        ("123456", None, "a", "generation", "answer_missing"),
        ("123456", " \n", "a", "generation", "answer_missing"),
        ("", None, None, "classification", "empty"),  # several reasons: the first in the alphabet
    ],
)
def test_each_filter_removes_what_it_claims(text: str, answer: str | None, label: str | None, kind: str, reason: str | None) -> None:
    assert reason_to_remove(CleanedRecord(text, answer, label), use_case(kind, cleaning=BOUNDS)) == reason


def test_filters_are_the_files_of_the_folder() -> None:
    assert list(filters()) == ["answer_missing", "empty", "label_missing", "too_long", "too_short"]
