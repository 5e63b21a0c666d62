"""Tests of a recognizer: what it finds in the examples of a table, and what it leaves alone."""

from collections.abc import Callable

import pytest

from ft_platform.privacy.entities import Recognizer
from ft_platform.privacy.hints import FEWEST, Hints
from ft_platform.privacy.normalize import Normalized
from ft_platform.privacy.spans import resolve

ORDINARY = [
    ("I paid {$1,234.56} on XX/XX/2019.", "masked amounts and dates of the source"),
    ("XXXX XXXX called me 5 times on XX/XX/XXXX.", "masked names"),
    ("Invoice of $1,234.56 dated 2020-03-15, due 03/31/2020.", "amounts and dates"),
]
"""Nothing personal, for all recognizers but those of dates and numbers."""


def found(recognizer: Recognizer, text: str, min_score: float = 0.5) -> list[str]:
    """The pieces of text found with at least the default score of `privacy.min_score`, in order, without overlaps."""
    spans = resolve(text, [s for s in recognizer.find(text) if s.score >= min_score])
    return [text[s.start : s.end] for s in spans]


def checks_of(
    recognizer: Recognizer, texts: list[tuple[str, str, str]], ordinary: list[tuple[str, str]]
) -> tuple[Callable[..., None], Callable[..., None]]:
    """Two tests: `texts` are (text, the piece that is found, reason); in `ordinary`, (text, reason), and in `ORDINARY`
    nothing is found."""
    ordinary = ordinary + (ORDINARY[:2] if recognizer.entity in ("DATE", "NUMBER") else ORDINARY)

    @pytest.mark.parametrize(("text", "expected", "why"), texts, ids=[why for *_, why in texts])
    def finds(text: str, expected: str, why: str) -> None:
        assert found(recognizer, text) == [expected]
        assert Hints([recognizer]).asked([Normalized(text)] * FEWEST)[0] == [recognizer]

    @pytest.mark.parametrize(("text", "why"), ordinary, ids=[why for _, why in ordinary])
    def leaves_alone(text: str, why: str) -> None:
        assert found(recognizer, text) == []

    return finds, leaves_alone


def found_with_another_end(recognizer: Recognizer, text: str, number: str, characters: str, ends: int = 1) -> list[str]:
    """What is found in a text where each of the last `ends` characters of a number becomes each other one: with a check
    digit nothing."""
    others = [
        number[:place] + char + number[place + 1 :]
        for place in range(len(number) - ends, len(number))
        for char in characters
        if char != number[place]
    ]
    return [one for other in others for one in found(recognizer, text.replace(number, other))]
