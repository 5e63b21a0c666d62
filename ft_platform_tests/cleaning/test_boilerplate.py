"""What belongs to the mail program or to somebody else goes; what the writer says stays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_platform.cleaning.boilerplate import without_boilerplate
from ft_platform.cleaning.repair import repair
from ft_platform.use_case.settings.cleaning import Cleaning

BOTH = ("signatures", "quoted_replies")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("My card is lost.\n-- \nAnn Miller\n+44 20 7946 0000", "My card is lost."),  # RFC 3676, 4.3
        ("My card is lost.\n--\nAnn Miller", "My card is lost."),  # the blank was trimmed
        ("My card is lost.\n\nSent from my iPhone", "My card is lost."),
        ("Meine Karte ist weg.\n\nVon meinem iPhone gesendet", "Meine Karte ist weg."),
        ("My card is lost.\nSent from my Samsung Galaxy smartphone.", "My card is lost."),
        ("My card is lost.\nGet Outlook for Android<https://example.org/a>", "My card is lost."),
        ("My card is lost.\n\nBest regards,\nAnn Miller\nExample Ltd.", "My card is lost."),
        ("Karte weg.\n\nMit freundlichen Grüßen\n\nEva Muster", "Karte weg."),
        ("Carte perdue.\nCordialement,\nJeanne Exemple", "Carte perdue."),
        ("My card is lost.\nThanks,\nAnn", "My card is lost."),
    ],
)
def test_signatures_are_cut_off(text: str, left: str) -> None:
    assert without_boilerplate(text, ["signatures"]) == left
    assert without_boilerplate(text, []) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            "It is still lost.\n\nOn Mon, 5 Jan 2026 at 10:00, Bob <bob@example.org> wrote:\n> Is it?\n> Yes.",
            "It is still lost.",
        ),
        (
            "It is still lost.\nOn Monday, 5 January 2026 at 10:00, Bob Example\n<bob@example.org> wrote:\nIs it?",
            "It is still lost.",
        ),
        (
            "Immer noch weg.\nAm 05.01.2026 um 10:00 schrieb Bob Beispiel <bob@example.org>:\n> Ist sie?",
            "Immer noch weg.",
        ),
        ("Toujours perdue.\nLe 5 janv. 2026, Bob a écrit :\n> Bon.", "Toujours perdue."),
        ("It is still lost.\n-----Original Message-----\nFrom: Bob\nIs it?", "It is still lost."),
        (
            "It is still lost.\nFrom: Bob Example <bob@example.org>\nSent: Monday\nTo: Ann\nSubject: Card\n\nIs it?",
            "It is still lost.",
        ),
        ("It is still lost.\n\n> Is it?\n>> Yes.", "It is still lost."),
    ],
)
def test_quoted_replies_are_cut_off(text: str, left: str) -> None:
    assert without_boilerplate(text, ["quoted_replies"]) == left


@pytest.mark.parametrize(
    "text",
    [
        "My card is lost. Sent from my account, the money was gone.",
        "Sent from my account were two payments\nthat I never made, please help.",
        "Best regards from the bank, they wrote, and kept my money.",
        "Thank you\nThe card that you sent me does not work either, what now",
        "Best regards,\nI would like to know why the fee was charged twice in May.",  # a sentence, no name
        "Kind regards.",  # nothing below it
        "I asked twice:\n> why the fee?\nNobody answered that.",  # quotes between own words
        "> only a quote",
        "On Monday they wrote to me and I answered.",
        "From: the bank\nI got two letters.",
        "Amount -- 30 dollars\nDate -- May",
        "a\n---\nb",
        "Item: 5 > 3\nand 2 > 1",
    ],
)
def test_what_the_writer_says_stays(text: str) -> None:
    assert without_boilerplate(text, BOTH) == text


def test_a_message_of_boilerplate_alone_stays() -> None:
    text = "-- \nAnn Miller"
    assert without_boilerplate(text, BOTH) == text


def test_only_messages_of_users_are_cut_and_the_change_is_named() -> None:
    text, cleaning = "My card is lost.\n-- \nAnn Miller", Cleaning(boilerplate=["signatures"])
    assert repair(text, cleaning, role="user") == ("My card is lost.", ["whitespace", "boilerplate"])
    assert repair(text, cleaning, role="assistant")[0].endswith("Ann Miller")
    assert repair(text, Cleaning(), role="user")[0].endswith("Ann Miller")


@given(
    st.lists(
        st.sampled_from(
            [
                "a word",
                "> quoted",
                "-- ",
                "Best regards,",
                "Ann",
                "",
                "On Monday Ann Miller wrote:",
                "Sent from my iPhone",
            ]
        ),
        max_size=8,
    )
)
@settings(max_examples=300, deadline=None)
def test_what_is_left_is_the_beginning_of_the_text(lines: list[str]) -> None:
    text = "\n".join(lines)
    left = without_boilerplate(text, BOTH)
    assert text.startswith(left) and bool(left.strip()) == bool(text.strip())


@pytest.mark.parametrize(
    "part", ["> ", "On ", "On x wrote:", "From: a\nTo: b\n", "\n", "-- \n", "_", "Best regards,\n", "Sent from my "]
)
def test_hostile_text_ends(part: str) -> None:
    assert isinstance(without_boilerplate(part * (400_000 // len(part)), BOTH), str)
