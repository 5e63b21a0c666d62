"""Each filter removes what it claims and nothing else; all but the bounds are off unless they are asked for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.cleaning.filters import CleanedRecords, filters, reasons_to_remove
from ft_platform.cleaning.filters.repetitive import repeated_share
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.tables import use_case

BOUNDS = {"min_characters": 5, "max_characters": 12}


def records(
    texts: Sequence[str], answers: Sequence[str | None] | None = None, labels: Sequence[str | None] | None = None
) -> CleanedRecords:
    columns = (texts, answers or [None] * len(texts), labels or ["a"] * len(texts))
    return CleanedRecords(*(pa.array(column, pa.string()) for column in columns))


def reasons(found: CleanedRecords, case: NamedUseCase) -> list[str | None]:
    names = list(filters())
    return [names[code] if code >= 0 else None for code in reasons_to_remove(found, case)]


def quality(text: str, **settings: Any) -> str | None:
    return reasons(records([text]), use_case(cleaning={"min_characters": 1, **settings}))[0]


@pytest.mark.parametrize(
    ("text", "answer", "label", "kind", "reason"),
    [
        ("12345", None, "a", "classification", None),  # shortest
        ("1234", None, "a", "classification", "too_short"),
        ("123456789012", None, "a", "classification", None),  # longest
        ("1234567890123", None, "a", "classification", "too_long"),
        ("ééééé", None, "a", "classification", None),  # characters, not bytes
        ("", None, "a", "classification", "empty"),
        (" \u3000 ", None, "a", "classification", "empty"),
        ("\x1c\x85\u2009 \n\t", None, "a", "classification", "empty"),
        (" 123456", None, "a", "classification", None),
        ("123456", None, None, "classification", "label_missing"),
        ("123456", "yes", None, "generation", None),  # no label is needed to generate
        ("123456", None, "a", "generation", "answer_missing"),
        ("123456", " \n", "a", "generation", "answer_missing"),
        ("", None, None, "classification", "empty"),  # several reasons: the first in the alphabet
    ],
)
def test_each_filter_removes_what_it_claims(
    text: str, answer: str | None, label: str | None, kind: str, reason: str | None
) -> None:
    assert reasons(records([text], [answer], [label]), use_case(kind, cleaning=BOUNDS)) == [reason]


def test_records_of_a_batch_are_decided_on_one_by_one() -> None:
    found = records(["fine text", "x", "", "also fine"], labels=["a", "a", "a", None])
    assert reasons(found, use_case(cleaning=BOUNDS)) == [None, "too_short", "empty", "label_missing"]
    assert reasons(records([]), use_case()) == []


def test_filters_are_the_files_of_the_folder_and_cheap_ones_decide_first() -> None:
    basic = ["answer_missing", "empty", "label_missing", "too_long", "too_short"]
    shape = ["all_caps", "few_letters", "links_only", "many_symbols", "repetitive"]
    expected = [*basic, *shape, "language_not_allowed", "language_undetermined", "too_few_tokens", "too_many_tokens"]
    assert list(filters()) == expected
    assert quality("IIIIIIIIIIIIIIIIIIIIIIII", max_capitals_share=0.5, max_characters=10) == "too_long"


STRANGE = [
    "OPEN THE ACCOUNT AT ONCE PLEASE",
    "12 34 56 78 90",
    "https://example.org/a",
    "# # # #",
    "again and again " * 20,
    "Où est la gare, s'il vous plaît ?",
]


def test_every_quality_filter_is_off_by_default() -> None:
    assert reasons(records(STRANGE), use_case(cleaning={"min_characters": 1})) == [None] * len(STRANGE)


@pytest.mark.parametrize(
    ("text", "share", "removed"),
    [
        ("OPEN MY ACCOUNT TODAY PLEASE", 0.9, True),
        ("OPEN MY ACCOUNT today please", 0.9, False),  # 13 of 24 letters
        ("OPEN MY ACCOUNT today please", 0.5, True),
        ("ATM FEE 2020", 0.5, False),  # too few letters to judge
        ("ÖFFNEN SIE MEIN KONTO BITTE", 0.9, True),
        ("请告诉我怎么样打开我的账户请告诉我怎么样打开我的账户", 0.5, False),  # a script without capitals
        ("1234567890 1234567890 1234567890", 0.0, False),
    ],
)
def test_shouting_is_removed(text: str, share: float, removed: bool) -> None:
    assert quality(text, max_capitals_share=share) == ("all_caps" if removed else None)


@pytest.mark.parametrize(
    ("text", "share", "removed"),
    [
        ("12.50 13.50 14.50 EUR", 0.3, True),  # 3 of 18
        ("Paid 12.50 EUR", 0.5, False),  # 7 of 12
        ("--------- ---------", 0.01, True),
        ("नमस्ते दुनिया", 1.0, False),  # vowel signs are letters
        ("abc", 1.0, False),
    ],
)
def test_text_of_few_letters_is_removed(text: str, share: float, removed: bool) -> None:
    assert quality(text, min_letter_share=share) == ("few_letters" if removed else None)


@pytest.mark.parametrize(
    ("text", "share", "removed"),
    [
        ("https://example.org/a?b=c", 0.8, True),
        ("see https://example.org/a", 0.8, True),  # 21 of 24
        ("see https://example.org/a", 0.9, False),
        ("WWW.EXAMPLE.ORG www.example.org", 0.99, True),
        ("the page http is down", 0.1, False),
        ("mail me at ann@example.org", 0.1, False),
    ],
)
def test_text_of_links_only_is_removed(text: str, share: float, removed: bool) -> None:
    assert quality(text, max_link_share=share) == ("links_only" if removed else None)


@pytest.mark.parametrize(
    ("text", "ratio", "removed"),
    [
        ("#a #b #c words here", 0.5, True),  # 3 symbols, 5 words
        ("#a words here", 0.5, False),
        ("well... what... then...", 0.5, True),
        ("one. two. three.", 0.0, False),
        ("• one\n• two", 0.4, True),
    ],
)
def test_text_with_many_symbols_is_removed(text: str, ratio: float, removed: bool) -> None:
    assert quality(text, max_symbols_per_word=ratio) == ("many_symbols" if removed else None)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("every word of this is new here", 0.0),
        ("a line\na line\nother", 5 / 15),  # 5 characters again, of 15
        ("no no no no", 6 / 8),  # three of four are like the one before
        ("a b c d e x a b c d e", 5 / 11),  # one 5-gram twice
        ("a b c d e f x a b c d e f", 6 / 13),  # two overlapping 5-grams: each word counts once
        ("what?????????????", 12 / 17),
        ("AB cd", 0.0),
    ],
)
def test_the_repeated_share_is_that_of_a_count_by_hand(text: str, share: float) -> None:
    assert repeated_share(text) == pytest.approx(share)


def test_text_that_repeats_itself_is_removed() -> None:
    assert quality("Please call me back. " * 10, max_repeated_share=0.5) == "repetitive"
    assert quality("Please call me back, I have tried to reach you by phone all week.", max_repeated_share=0.0) is None


def test_where_asks_about_candidates_only() -> None:
    asked = []
    found = records(["a", "b", "c"]).where(
        lambda text: asked.append(text) or text == "c", np.array([True, False, True])
    )
    assert found.tolist() == [False, False, True] and asked == ["a", "c"]
