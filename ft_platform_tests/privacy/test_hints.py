"""Texts that are not searched hold nothing. Persons and numbers are fictitious."""

import importlib
import random
from collections.abc import Sequence

import pytest

from ft_platform.privacy import hints
from ft_platform.privacy.entities import all_recognizers
from ft_platform.privacy.hints import FEWEST, Hints
from ft_platform.privacy.normalize import Normalized
from ft_platform.privacy.recognizers.email import EmailRecognizer
from ft_platform.privacy.scan import Scanner
from ft_platform.privacy.spans import Span
from ft_platform.use_case.settings.privacy import Privacy

WITHOUT_NETWORK = sorted({*all_recognizers()} - {"PERSON", "LOCATION", "UNKNOWN_NAME", "ORGANIZATION"})
SETTINGS = Privacy(entities=WITHOUT_NETWORK, min_score=0.0)


def texts_of_recognizers() -> list[str]:
    modules = [
        importlib.import_module(f"ft_platform_tests.privacy.recognizers.test_{entity.lower()}")
        for entity in WITHOUT_NETWORK
    ]
    return [text for module in modules for text, *_ in [*module.FOUND, *module.NOT_FOUND]]


def changed(text: str, random: random.Random) -> str:
    """A text as somebody else may write it: in another case, over several lines, scanned, with characters missing."""
    change = random.randrange(7)
    place = random.randrange(len(text))
    if change < 2:
        return text.upper() if change else text.lower()
    if change < 5:
        return text.replace(" ", random.choice(["\n", "\t", "  ", "\x0b", "\x1f", "\u00a0"]), random.randrange(1, 4))
    if change < 6:
        return text.replace("0", "O").replace("1", "l")
    return text[:place] + text[place + 1 :]


def one_by_one(scanner: Scanner, texts: Sequence[str]) -> list[list[Span]]:
    return [scanner.find([text])[0] for text in texts]


def test_texts_read_together_have_the_findings_of_each_alone() -> None:
    rng, scanner = random.Random(3), Scanner(SETTINGS)
    texts = [one for text in texts_of_recognizers() for one in (text, *(changed(text, rng) for _ in range(4)))]
    assert len(texts) > 1500
    assert scanner.find(texts) == one_by_one(scanner, texts)


def test_most_ordinary_texts_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"They closed my account without a word and nobody called me back {'again ' * n}." for n in range(FEWEST)]
    scanner, asked = Scanner(SETTINGS), []
    for recognizer in all_recognizers().values():
        monkeypatch.setattr(type(recognizer), "find", lambda one, text: asked.append(text) or [])
    assert scanner.find([*texts, "Write to areed@example.org"]) == [[]] * (FEWEST + 1)
    assert {*asked} == {"Write to areed@example.org"}
    assert scanner.may_find([*texts, "Write to areed@example.org"]) == [*[False] * FEWEST, True]


def test_a_recognizer_without_a_hint_reads_every_text() -> None:
    custom = Scanner(Privacy(entities=["EMAIL"], custom={"PROJECT": {"words": ["Falcon"]}}))  # type: ignore[dict-item]
    found = custom.find(["Nothing about Falcon here"] * FEWEST)
    assert [[span.entity for span in one] for one in found] == [["PROJECT"]] * FEWEST


def test_half_of_a_pair_of_surrogates_is_no_error() -> None:
    texts = ["areed@example.org \ud83d"] * FEWEST
    assert Scanner(SETTINGS).find(texts) == one_by_one(Scanner(SETTINGS), texts)


def test_a_hint_that_is_too_narrow_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault that `examples.checks_of` looks for in each recognizer."""
    view = [Normalized("areed [at] example.org")] * hints.FEWEST
    assert Hints([EmailRecognizer()]).asked(view)[0]
    monkeypatch.setattr(EmailRecognizer, "hint", "@")
    assert not Hints([EmailRecognizer()]).asked(view)[0]
