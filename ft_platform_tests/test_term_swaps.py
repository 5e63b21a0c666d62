"""Terms of identity and their counterparts. Names are fictitious."""

import pytest
from pydantic import ValidationError

from ft_platform.evaluation.term_swaps import TermSwap
from ft_platform.use_case.settings.fairness import Swap

GENDER = TermSwap(
    Swap(
        name="gender",
        terms=[["he", "she"], ["his", "her"], ["him", "her"], ["wife", "husband"], ["Mr. Example", "Ms. Example"]],
    )
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("he paid", "she paid"),
        ("She paid", "He paid"),
        ("SHE PAID", "HE PAID"),
        ("the sheriff and the hero", "the sheriff and the hero"),  # parts of words
        ("he, she and he", "she, he and she"),
        ("I told him", "I told her"),
        ("I told her", "I told his"),  # a term of two pairs takes the first
        ("my wife's card", "my husband's card"),
        ("Mr. Example called", "Ms. Example called"),
        ("nothing here", "nothing here"),
        ("", ""),
    ],
)
def test_whole_words_are_swapped_both_ways_in_their_case(text: str, expected: str) -> None:
    assert GENDER.text(text) == expected
    assert GENDER.finds(text) is (text != expected)


def test_swapping_twice_gives_the_text_again_where_pairs_are_unique() -> None:
    text = "She said he said: HE and my Wife, my husband."
    assert GENDER.text(GENDER.text(text)) == text


def test_longer_terms_win_and_special_characters_are_letters() -> None:
    swap = TermSwap(Swap(name="job", terms=[["c++ man", "c++ woman"], ["man", "woman"], ["a.b", "x.y"]]))
    assert swap.text("a C++ man, a man, a.b, aab") == "a C++ woman, a woman, x.y, aab"


def test_words_are_swapped_and_calls_of_tools_are_not() -> None:
    messages = [
        {"role": "user", "content": "he asks"},
        {"role": "tool_call", "content": '{"she": 1}'},
        {"role": "assistant", "content": "She knows."},
    ]
    assert [m["content"] for m in GENDER.messages(messages)] == ["she asks", '{"she": 1}', "He knows."]


@pytest.mark.parametrize(
    "terms",
    [[["he"]], [["he", "she", "they"]], [["he", "He"]], [["...", "she"]], []],
    ids=["one", "three", "same", "no word", "none"],
)
def test_pairs_that_swap_nothing_are_refused(terms: list) -> None:
    with pytest.raises(ValidationError):
        Swap(name="gender", terms=terms)
