"""Which sentences go to named-entity recognition, and which of its findings are names.

Both ask the same question, `name_words`, so the gate leaves out only sentences in which every finding would be thrown
away, and those in which the recognizers have found every word that looks like a name already.
"""

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ft_platform.privacy.casing import is_in_capitals, truecase
from ft_platform.privacy.names import MASK, ORGANIZATION, is_known_name, name_words, possessive
from ft_platform.privacy.spans import Span

MAX_CHARACTERS = 1500
"""Longest piece: more than a sentence, little enough that a text of 10 MB without a full stop costs no memory."""

# Not behind an initial or a title: "Mr. Smith" and "J. Smith" stay in one piece.
SENTENCE_END = re.compile(
    r"\n+|(?<=[.!?])(?<![ .(][A-Za-z]\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bMrs\.)(?<!\bJr\.)\s+"
)
WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence or line to read. One that was in one case has its names capitalized (`truecase`)."""

    text: str
    one_case: bool


def pieces_to_read(
    text: str, places: bool, known: Sequence[Span] = (), gate: bool = True
) -> Iterator[tuple[int, Piece]]:
    """The sentences in which something looks like a name and is not known yet, with the place where each starts.

    Args:
        places: names of places are wanted too, not only of persons.
        known: what the recognizers have found in the text.
        gate: False gives all sentences, to measure what the gate leaves out.
    """
    covered = _merged(known)
    for start, end in _sentences(text):
        sentence = text[start:end]
        one_case = sentence.islower() or is_in_capitals(sentence)
        if one_case:
            sentence = truecase(sentence)
        if not gate or _has_unknown_name(sentence, start, places, covered):
            yield start, Piece(sentence, one_case)


def _has_unknown_name(sentence: str, start: int, places: bool, covered: Sequence[tuple[int, int]]) -> bool:
    words = list(WORD.finditer(sentence))
    names = name_words([w.group() for w in words], places)
    return any(
        not _is_inside(start + words[i].start(), start + words[i].end() - possessive(words[i].group()), covered)
        for i in names
    )


def _merged(spans: Sequence[Span]) -> list[tuple[int, int]]:
    """The places that spans cover, in order, without overlaps."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted((s.start, s.end) for s in spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _is_inside(start: int, end: int, covered: Sequence[tuple[int, int]]) -> bool:
    index = bisect_right(covered, (start, sys.maxsize)) - 1
    return index >= 0 and end <= covered[index][1]


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in SENTENCE_END.finditer(text):
        yield from _cut(start, match.start())
        start = match.end()
    yield from _cut(start, len(text))


def _cut(start: int, end: int) -> Iterator[tuple[int, int]]:
    for place in range(start, end, MAX_CHARACTERS):
        yield place, min(end, place + MAX_CHARACTERS)


def name_in(piece: Piece, start: int, end: int, places: bool) -> tuple[int, int] | None:
    """The part of a finding that is a name, without everyday words and masks around it; None if there is no name in it.

    In a sentence in one case every misspelling looks like a name: there a single word counts only if it is a known
    name."""
    found = piece.text[start:end]
    if ORGANIZATION.search(found):
        return None
    words = list(WORD.finditer(found))
    texts = [w.group() for w in words]
    names = name_words(texts, places)
    if not names or (piece.one_case and not places and len(names) == 1 and not is_known_name(texts[names[0]])):
        return None
    first, last = names[0], names[-1]
    if first > 0 and _belongs(words[first - 1].group()):
        first -= 1
    if last + 1 < len(words) and _belongs(words[last + 1].group()):
        last += 1
    return start + words[first].start(), start + words[last].end() - possessive(texts[last])


def _belongs(word: str) -> bool:
    """Whether a word beside a name, inside one finding, is part of it: the surname `Price`, the given name `May`."""
    return word[0].isupper() and not MASK.search(word)
