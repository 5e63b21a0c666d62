"""Names that were found once are found again. Persons are fictitious."""

import pytest

from ft_platform.privacy.same_names import SameNames, in_whole_record
from ft_platform.privacy.spans import Span

NAMES = [("PERSON", "Ann Kowalczyk"), ("LOCATION", "Elmshorn")]


@pytest.mark.parametrize(
    "again",
    [
        "Ann Kowalczyk",
        "Kowalczyk",
        "KOWALCZYK",
        "kowalczyk",
        "A. Kowalczyk",
        "Kowalcyk",
        "Kowalczyck",
        "Kowalszyk",
        "Elmshorn",
    ],
)
def test_a_name_is_found_again(again: str) -> None:
    text = f"ask {again}, please"

    assert again in {text[s.start : s.end] for s in SameNames(NAMES).find(text)}


def test_it_is_found_in_possessives_and_file_names() -> None:
    text = "Kowalczyk's file is kowalczyk_cv.pdf"

    assert [text[s.start : s.end] for s in SameNames(NAMES).find(text)] == ["Kowalczyk", "kowalczyk"]


@pytest.mark.parametrize("other", ["Kowalski", "annual", "elmshorns", "Xowalczyks", "Kowa"])
def test_other_words_are_left_alone(other: str) -> None:
    assert SameNames(NAMES).find(f"ask {other}, please") == []


def test_everyday_words_of_a_name_count_only_in_the_whole_name() -> None:
    text = "The table is full. Nora Table left."

    found = SameNames([("PERSON", "Nora Table")]).find(text)

    assert {text[s.start : s.end] for s in found} == {"Nora", "Nora Table"}


def test_an_address_for_mail_is_left_to_its_own_recognizer() -> None:
    assert SameNames(NAMES).find("write to kowalczyk@example.com") == []


def test_a_name_of_one_message_is_found_in_the_others() -> None:
    texts = ["My name is Ann Kowalczyk.", "Dear kowalczyk, <PERSON_k3f9q2ab> is away."]
    spans = [[Span(11, 24, "PERSON", 0.9, "person")], []]

    found = in_whole_record(texts, spans)

    assert [[t[s.start : s.end] for s in own] for t, own in zip(texts, found, strict=True)] == [
        ["Ann Kowalczyk"],
        ["kowalczyk"],
    ]


def test_a_record_without_names_keeps_its_findings() -> None:
    spans: list[list[Span]] = [[Span(0, 4, "URL", 0.9, "url")], []]

    assert in_whole_record(["a.de", "b"], spans) is spans


def test_a_word_without_end_and_many_addresses_cost_no_more_than_their_length() -> None:
    names = SameNames([*NAMES, ("PERSON", "B" * 50_000)])
    assert names.find("a" * 200_000 + " x@example.com") == [] == names.find("x@example.com y " * 50_000)
