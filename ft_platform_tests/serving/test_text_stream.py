"""Texts are shown in whole characters, and stop texts never."""

import random

import pytest

from ft_platform.serving.engine.text_stream import WINDOW, TextStream
from ft_platform_tests.serving.engines import TEXT, Asked, greedy, running
from ft_platform_tests.tiny_models import tiny_model

PROMPT = TEXT.content("Where is my card?")


def shown(text: str, *stops: str) -> list[str]:
    """What is shown after each token, one byte each, and at the end."""
    stream = TextStream(TEXT, stops)
    pieces = []
    for token in TEXT.content(text):
        pieces.append(stream.push(token))
        if stream.stopped:
            break
    return [*pieces, stream.rest()]


def test_a_character_of_several_tokens_is_shown_whole() -> None:
    assert shown("a€b") == ["a", "", "", "€", "b", ""]
    assert shown("🙂")[-2] == "🙂"


def test_half_a_character_at_the_end_is_left_out() -> None:
    stream = TextStream(TEXT, ())
    tokens = TEXT.content("a€")[:-1]
    assert "".join([*map(stream.push, tokens), stream.rest()]) == "a"


@pytest.mark.parametrize(
    ("text", "stops", "answer"),
    [
        ("one END two", ("END",), "one "),
        ("one EN two", ("END",), "one EN two"),  # only looked like it
        ("one EEND", ("END",), "one E"),
        ("one EN", ("END",), "one EN"),  # the answer ends before the stop text does
        ("a\n\nb", ("\n\n", "b"), "a"),
        ("aab", ("b", "ab"), "a"),  # the first occurrence counts
        ("preis 5€!", ("€",), "preis 5"),
        ("abc", ("",), "abc"),
    ],
)
def test_stop_texts_across_tokens(text: str, stops: tuple[str, ...], answer: str) -> None:
    assert "".join(shown(text, *stops)) == answer


def test_nothing_is_shown_that_may_be_the_start_of_a_stop_text() -> None:
    assert shown("xEN!", "END") == ["x", "", "", "EN!", ""]


@pytest.mark.parametrize("seed", range(20))
def test_any_bytes_are_shown_as_they_are_decoded_at_once(seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(chance.choice("ab ßü€漢🙂\n") for _ in range(3 * WINDOW))
    assert "".join(shown(text)) == text
    stop = text[40:43]
    assert "".join(shown(text, stop)) == text[: text.index(stop)]


def test_an_answer_ends_before_its_stop_text() -> None:
    whole = TEXT.decoded(greedy(tiny_model(), PROMPT, 40))
    stop = whole[10:13]
    with running() as engine:
        asked = Asked(engine, "base", PROMPT, 40, stop=(stop,))
        assert asked.text == whole[: whole.index(stop)]
        assert asked.finished.reason == "stop"
