"""Runs of capitalized words in a text, with what stands around them. Computed once for all recognizers that look at
names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ft_platform.privacy.names import CALENDAR, MASK, is_known_name, name_words

UPPER = r"[^\W\d_a-zß-öø-ÿ]"
WORD = rf"{UPPER}(?:[^\W\d_]+(?:['’-][^\W\d_]+)*|['’][^\W\d_]+(?:-[^\W\d_]+)*)"
PARTICLE = (
    r"(?:de|da|do|dos|das|del|della|di|du|la|le|van|von|der|den|bin|ibn|ben|al|el|zu|zum|ter|ten|te|af|av|y|e|af|of)"
)
RUN = re.compile(
    rf"(?<![\w@./'’-]){WORD}(?:(?:[ \t]+{UPPER}\.?(?=[ \t]))?(?:[ \t]+{PARTICLE}(?=[ \t])){{0,2}}"
    rf"[ \t]{{1,3}}{WORD}){{0,5}}(?!\w)"
)
PIECE = re.compile(r"\S+")
BEFORE, AFTER = 60, 40
"""Characters around a run that its cues are looked for in."""
SENTENCE_ENDS, MARKS = frozenset('.!?:"“('), frozenset("-*•>")


@dataclass(frozen=True, slots=True)
class Run:
    """Capitalized words in a row.

    Attributes:
        words: each word with its place in the text.
        names: positions in `words` of those that are no everyday words.
        before, after: what stands around the run, in lower case. Nothing in front where a sentence ended there: it says
            nothing of the run.
        starts_sentence: a capital there says little.
    """

    words: tuple[tuple[int, int, str], ...]
    names: tuple[int, ...]
    before: str
    after: str
    starts_sentence: bool

    @property
    def start(self) -> int:
        return self.words[0][0]

    @property
    def end(self) -> int:
        return self.words[-1][1]

    def named(self) -> tuple[int, int]:
        """The run from its first to its last name; everyday words and particles around it are left out."""
        first, last = self.names[0], self.names[-1]
        # The surname `Price`, the given name `May`: a capitalized everyday word beside a name is part of it.
        if first == 1 and not self.starts_sentence and self.words[0][2].lower() in CALENDAR:
            first = 0
        for index in range(last + 1, min(len(self.words), first + 4)):
            if len(self.words[index][2]) > 1 and self.words[index][2][0].isupper():
                last = index
        return self.words[first][0], self.words[last][1] - possessive(self.words[last][2])

    def has_known_name(self) -> bool:
        return any(is_known_name(self.words[i][2]) for i in self.names)


def possessive(word: str) -> int:
    """Characters of an ending `'s`."""
    return 2 if word.endswith(("'s", "’s")) else 0


@lru_cache(maxsize=4)
def runs(text: str) -> Sequence[Run]:
    """The runs of capitalized words of a text, in order; masked words (`XXXX`) are in none."""
    found = []
    for match in RUN.finditer(text):
        words = tuple(
            (match.start() + m.start(), match.start() + m.end(), m.group().rstrip("."))
            for m in PIECE.finditer(match.group())
        )
        if any(MASK.search(w) for _, _, w in words):
            continue
        names = tuple(name_words([w for _, _, w in words], places=len(words) == 1 and len(words[0][2]) > 3))
        in_front = text[max(0, match.start() - BEFORE) : match.start()]
        led = "" if in_front.rstrip()[-1:] in (".", "!") else in_front.lower()
        found.append(
            Run(words, names, led, text[match.end() : match.end() + AFTER].lower(), _starts_sentence(in_front))
        )
    return found


def _starts_sentence(in_front: str) -> bool:
    """Whether nothing, the end of a sentence or a line, or the mark of a list stands in front, and blanks behind it."""
    stripped = in_front.rstrip()
    if not in_front or "\n" in in_front[len(stripped) :]:
        return True
    return bool(stripped) and (stripped[-1] in SENTENCE_ENDS or (stripped[-1] in MARKS and not stripped[:-1].strip()))
