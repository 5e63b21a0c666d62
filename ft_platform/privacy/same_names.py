"""Names that were found once, wherever else they stand in the same record: `Reed`, `REED`, `ann reed`, `Ann Reeed`,
`A. Reed`, `reed_cv.pdf` after `Ann Reed`."""

import re
from collections.abc import Iterable, Iterator, Sequence

from ft_platform.privacy.names import common_words, looks_like_name
from ft_platform.privacy.spans import Span, outside_pseudonyms, resolve

WORD = re.compile(r"[^\W\d_]+")
UNBROKEN = re.compile(r"[^\s<>]+")
INITIAL = re.compile(r"(?<![^\W\d_])([^\W\d_])\.?[ ]?$")
NAMES = ("PERSON", "LOCATION")
SCORE = 0.6
MOST_NAMES = 500
"""Names of one record that are looked for again, the longest first."""
FEWEST_LETTERS = 3
"""Letters of a word that is looked for alone."""
MISSPELT = range(6, 41)
"""Letters of a word that may be misspelt by one: in short ones it is another word, in long ones it takes too long."""


class SameNames:
    """The persons and places that were found in the texts of a record.

    A name counts again as it was written; a word of a person's name that is no everyday word also in another case, with
    an initial in front, inside a file name, and misspelt by one letter (left out, put in or another one).

    Args:
        found: entity and text of each finding.
    """

    def __init__(self, found: Iterable[tuple[str, str]]) -> None:
        names = {one for one in found if any(looks_like_name(w, places=True) for w in WORD.findall(one[1]))}
        self._names = sorted(names, key=lambda one: (-len(one[1]), one))[:MOST_NAMES]
        self._words = {
            word.lower(): word
            for entity, name in self._names
            if entity == "PERSON"
            for word in WORD.findall(name)
            if len(word) >= FEWEST_LETTERS and looks_like_name(word)
        }
        self._near = {part for word in self._words if len(word) in MISSPELT for part in _without_one(word)}
        self._initials = {name[0] for name in self._words.values()}

    def find(self, text: str) -> list[Span]:
        """Where they stand in another text, or again in the same one; findings may overlap."""
        return [*self._whole(text), *self._word_by_word(text)]

    def _whole(self, text: str) -> Iterator[Span]:
        for entity, name in self._names:
            start = text.find(name)
            while start >= 0:
                end = start + len(name)
                if not (_is_word(text[start - 1 : start]) or _is_word(text[end : end + 1])):
                    yield Span(start, end, entity, SCORE, "same_name")
                start = text.find(name, end)

    def _word_by_word(self, text: str) -> Iterator[Span]:
        if not self._words:
            return
        # An address for mail has a recognizer and an operator of its own.
        parts = (m.span() for m in UNBROKEN.finditer(text) if "@" not in m.group()) if "@" in text else [(0, len(text))]
        for match in (match for part in parts for match in WORD.finditer(text, *part)):
            word = match.group().lower()
            if word in self._words or self._is_misspelt(word):
                start, initial = match.start(), INITIAL.search(text, max(0, match.start() - 3), match.start())
                if initial and initial.group(1) in self._initials:
                    start = initial.start(1)
                yield Span(start, match.end(), "PERSON", SCORE, "same_name")

    def _is_misspelt(self, word: str) -> bool:
        if not self._near or not MISSPELT.start - 1 <= len(word) <= MISSPELT.stop or word in common_words():
            return False
        parts = _without_one(word)
        if self._near.isdisjoint(parts) and not any(part in self._words for part in parts) and word not in self._near:
            return False
        return any(
            abs(len(own) - len(word)) < 2 and len(own) in MISSPELT and _differ_by_one(own, word) for own in self._words
        )


def _without_one(word: str) -> set[str]:
    return {word[:i] + word[i + 1 :] for i in range(len(word))}


def _differ_by_one(one: str, two: str) -> bool:
    """Whether one letter was left out, put in or replaced."""
    start = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    return one[start + 1 :] == two[start + 1 :] or one[start + 1 :] == two[start:] or one[start:] == two[start + 1 :]


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def in_whole_record(
    texts: Sequence[str], found: Sequence[list[Span]], also: Sequence[tuple[str, str]] = ()
) -> Sequence[list[Span]]:
    """The findings in each text of a record, and there the names that were found in its other texts and `also`."""
    own = list(names_in(zip(texts, found, strict=True))) if len(texts) > 1 else []
    if not own and not also:
        return found
    names = SameNames([*own, *also])
    return [
        resolve(text, outside_pseudonyms(text, [*spans, *names.find(text)]))
        for text, spans in zip(texts, found, strict=True)
    ]


def names_in(texts: Iterable[tuple[str, Iterable[Span]]]) -> Iterator[tuple[str, str]]:
    """Entity and words of the names that were found in texts."""
    return ((s.entity, text[s.start : s.end]) for text, spans in texts for s in spans if s.entity in NAMES)
