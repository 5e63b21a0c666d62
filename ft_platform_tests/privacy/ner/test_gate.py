"""Which sentences are read, and what counts as a name. Persons are fictitious."""

import pytest

from ft_platform.privacy.ner.gate import MAX_CHARACTERS, Piece, name_in, pieces_to_read, truecase


def read(text: str, places: bool = False) -> list[str]:
    return [piece.text for _, piece in pieces_to_read(text, places)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("I told them about Mirela.", "capital inside a sentence"),
        ("Mirela told them.", "capital at the start that is no everyday word"),
        ("Mark told them.", "given name that is an everyday word too"),
        ("MIRELA TOLD THEM", "all in capitals"),
        ("mirela told them", "all in lower case"),
        ("Then ANN LEE came", "short capitals, one of them a given name"),
        ("They saw Jean-Luc's car", "hyphen and possessive"),
        ("Ångström came", "letters beyond ASCII"),
    ],
)
def test_a_sentence_with_a_possible_name_is_read(text: str, why: str) -> None:
    assert len(read(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "The bank closed my account. Unfortunately I paid.",
        "XXXX XXXX told XXXX",
        "On Monday Equifax wrote",
        "The IRS and the FCRA",
        "THE BANK CLOSED MY ACCOUNT",
        "i don't know why they closed it",
        "",
    ],
)
def test_a_sentence_without_a_possible_name_is_not(text: str) -> None:
    assert read(text) == []


def test_only_the_sentence_with_the_name_is_read_and_its_place_is_right() -> None:
    text = "The bank closed my account. Then Mirela called.\nIt was late."
    ((start, piece),) = pieces_to_read(text, places=False)
    assert text[start : start + len(piece.text)] == piece.text == "Then Mirela called."


def test_titles_and_initials_do_not_end_a_sentence() -> None:
    assert read("Then Dr. J. Okonjo called.") == ["Then Dr. J. Okonjo called."]


def test_long_pieces_are_cut() -> None:
    assert max(map(len, read("Mirela " * 2000))) <= MAX_CHARACTERS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I TOLD MIRELA OKONJO ABOUT XXXX", "I told Mirela Okonjo about XXXX"),
        ("i don't know mirela's bank", "I don't know Mirela's bank"),
        ("STRAßE İSTANBUL", None),
    ],
)
def test_truecase_keeps_every_character_in_its_place(text: str, expected: str | None) -> None:
    cased = truecase(text)
    assert len(cased) == len(text) and cased.casefold() == text.casefold()
    assert expected is None or cased == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mirela Okonjo", "Mirela Okonjo"),
        ("XXXX Mirela Okonjo", "Mirela Okonjo"),
        ("Mirela Okonjo's", "Mirela Okonjo"),
        ("Mirela Price", "Mirela Price"),
        ("XXXX XXXX", None),
        ("Mirela Bank", None),
        ("Account", None),
        ("IRS", None),
        ("john", None),
    ],
)
def test_a_finding_is_cut_to_the_name_in_it(text: str, expected: str | None) -> None:
    part = name_in(Piece(text, one_case=False), 0, len(text), places=False)
    assert (part and text[part[0] : part[1]]) == expected


def test_in_one_case_a_single_word_must_be_a_known_name() -> None:
    assert name_in(Piece("Teresa", one_case=True), 0, 6, places=False) == (0, 6)
    assert name_in(Piece("Recieved", one_case=True), 0, 8, places=False) is None
