"""Which sentences go to named-entity recognition, and which of its findings are names.

Both ask the same question, `name_words`, so the gate leaves out only sentences in which every finding would be thrown away: it
costs no recall beyond the filter's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ft_platform.privacy.names import MASK, ORGANIZATION, given_names, name_words, not_names, without_contraction

MAX_CHARACTERS = 1500
"""Longest piece: more than a sentence, little enough that a text of 10 MB without a full stop costs no memory."""

# Not behind an initial or a title: "Mr. Smith" and "J. Smith" stay in one piece.
SENTENCE_END = re.compile(r"\n+|(?<=[.!?])(?<![ .(][A-Za-z]\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bMrs\.)(?<!\bJr\.)\s+")
WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence or line to read. One that was in one case has its names capitalized (`truecase`)."""

    text: str
    one_case: bool


def pieces_to_read(text: str, places: bool, gate: bool = True) -> Iterator[tuple[int, Piece]]:
    """The sentences in which something looks like a name, with the place where each starts.

    Args:
        places: names of places are wanted too, not only of persons.
        gate: False gives all sentences, to measure what the gate leaves out.
    """
    for start, end in _sentences(text):
        sentence = text[start:end]
        words = WORD.findall(sentence)
        one_case = sentence.islower() or _is_in_capitals(sentence, words)
        if one_case:
            sentence = truecase(sentence)
            words = WORD.findall(sentence)
        if not gate or name_words(words, places):
            yield start, Piece(sentence, one_case)


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in SENTENCE_END.finditer(text):
        yield from _cut(start, match.start())
        start = match.end()
    yield from _cut(start, len(text))


def _cut(start: int, end: int) -> Iterator[tuple[int, int]]:
    for place in range(start, end, MAX_CHARACTERS):
        yield place, min(end, place + MAX_CHARACTERS)


def _is_in_capitals(sentence: str, words: list[str]) -> bool:
    """Whether four words or more are written in capitals, masks aside, but for one in five."""
    if sentence.isupper():
        return True
    plain = [w for w in words if len(w) > 1 and not MASK.search(w)]
    return len(plain) >= 4 and sum(w.isupper() for w in plain) >= 0.8 * len(plain)


def truecase(sentence: str) -> str:
    """A sentence in one case with everyday words in lower case and all others capitalized, since models learned names that way.

    The characters stay in their places. On 1,500 synthetic texts in capitals the model alone finds 16 % of the characters of names,
    in lower case 39 %, after this 68 % of both, as many as in the texts as they were.
    """
    everyday = not_names(True)

    def cased(match: re.Match[str]) -> str:
        word = match.group()
        lowered = word.lower()
        capital = lowered[0].upper()
        if MASK.search(word) or len(lowered) != len(word) or len(capital) != 1:
            return word
        return lowered if without_contraction(lowered) in everyday else capital + lowered[1:]

    return re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)*", cased, sentence)


def name_in(piece: Piece, start: int, end: int, places: bool) -> tuple[int, int] | None:
    """The part of a finding that is a name, without everyday words and masks around it; None if there is no name in it.

    In a sentence in one case every misspelling looks like a name: there a single word counts only if it is a known given name.
    """
    found = piece.text[start:end]
    if ORGANIZATION.search(found):
        return None
    words = list(WORD.finditer(found))
    texts = [w.group() for w in words]
    names = name_words(texts, places)
    if not names or (piece.one_case and not places and len(names) == 1 and texts[names[0]].lower() not in given_names()):
        return None
    first, last = names[0], names[-1]
    if first > 0 and _belongs(words[first - 1].group()):
        first -= 1
    if last + 1 < len(words) and _belongs(words[last + 1].group()):
        last += 1
    return start + words[first].start(), start + words[last].end() - (2 if texts[last].endswith(("'s", "’s")) else 0)


def _belongs(word: str) -> bool:
    """Whether a word beside a name, inside one finding, is part of it: the surname `Price`, the given name `May`."""
    return word[0].isupper() and not MASK.search(word)
