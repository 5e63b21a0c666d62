"""Texts in one case, with capitals where names are. Persons are fictitious."""

import pytest

from ft_platform.privacy.casing import in_sentence_case, is_in_capitals, truecase


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("I SPOKE WITH HAROLD", True, "all in capitals"),
        ("XXXX SPOKE WITH HAROLD ABOUT MY loan", True, "one word in five in lower case, masks aside"),
        ("The IRS and the FCRA", False, "abbreviations in a text"),
        ("XXXX XXXX paid", False, "masks are no capitals"),
        ("i spoke with harold", False, "lower case"),
    ],
)
def test_capitals_are_recognized(text: str, expected: bool, why: str) -> None:
    assert is_in_capitals(text) is expected


def test_everyday_words_become_small_and_all_others_get_a_capital() -> None:
    assert (
        truecase("I SPOKE WITH HAROLD WHITCOMBE'S BANK ABOUT XXXX") == "I spoke with Harold Whitcombe's bank about XXXX"
    )


def test_only_texts_in_one_case_are_changed() -> None:
    assert (
        in_sentence_case("ASK HAROLD NOW PLEASE")
        == in_sentence_case("ask harold now please")
        == "ask Harold now please"
    )
    assert in_sentence_case("Ask harold now") == "Ask harold now"
