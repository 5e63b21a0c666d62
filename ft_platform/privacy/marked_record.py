"""One record as a person marks it: each word that was not found, and each finding, can be tapped."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ft_platform.errors import ConfigError
from ft_platform.privacy.own_sample import OTHER, Answer, counted
from ft_platform.privacy.scan import Scanner
from ft_platform.privacy.spans import Span
from ft_platform.use_case.settings.privacy import Privacy

WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text.

    Attributes:
        kind: of a finding; empty: none.
        number: of the word or the finding among all of the record; None: blanks and signs, which cannot be tapped.
        stretch: words of one stretch have nothing but blanks between them.
    """

    text: str
    kind: str = ""
    number: int | None = None
    stretch: int = 0


def findings(privacy: Privacy, texts: Sequence[str]) -> list[list[Span]]:
    """What the recognizers find in the texts of a record."""
    return _scanner(privacy.model_dump_json()).find(texts)


@lru_cache(maxsize=8)
def _scanner(privacy: str) -> Scanner:
    return Scanner(Privacy.model_validate_json(privacy))


def pieces_of(texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[list[Piece]]:
    """The texts of a record in pieces, each text whole."""
    words = finds = stretch = 0
    record = []
    for text, found in zip(texts, spans, strict=True):
        pieces, end = [], 0
        for span in [*found, None]:
            stretch += 1
            for piece in _words(text[end : span.start if span else len(text)]):
                tapped = any(one.isalnum() for one in piece)
                pieces.append(Piece(piece, "", words if tapped else None, stretch))
                words += tapped
            if span:
                pieces.append(Piece(text[span.start : span.end], span.entity, finds))
                finds, end = finds + 1, span.end
        record.append(pieces)
    return record


def _words(text: str) -> Iterator[str]:
    end = 0
    for match in WORD.finditer(text):
        if match.start() > end:
            yield text[end : match.start()]
        yield match.group()
        end = match.end()
    if text[end:]:
        yield text[end:]


def answer_of(record: Sequence[Sequence[Piece]], missed: Collection[int], wrong: Collection[int], kind: str) -> Answer:
    """What a person said by tapping. Missed words beside each other are one place; if they are of several kinds, or of
    another one (`OTHER`), each word is.

    Raises:
        ConfigError: a number is not one of a word or a finding of this record, or words without a kind.
    """
    pieces = [piece for text in record for piece in text]
    words = {piece.number: piece.stretch for piece in pieces if not piece.kind and piece.number is not None}
    finds = {piece.number: piece.kind for piece in pieces if piece.kind}
    if not {*missed} <= {*words} or not {*wrong} <= {*finds}:
        raise ConfigError(["this is not about the record as it is now"], "Look at it again")
    if missed and not kind:
        raise ConfigError(["say what the missed words are"])
    places = sum(kind == OTHER or one - 1 not in missed or words[one - 1] != words[one] for one in missed)
    return Answer(
        counted([name for number, name in finds.items() if number not in wrong]),
        counted([finds[one] for one in wrong]),
        {kind: places} if missed else {},
    )
