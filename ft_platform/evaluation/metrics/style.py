"""Share of answers that keep every rule of `task.style`.

Texts are compared by their letters (NFKC, case folded, invisible signs left out, one kind of apostrophe and of blank),
so that no spelling hides a phrase. Covered: every script; in those without blanks between words (Chinese, Japanese,
Thai, ...) a phrase counts wherever it stands. Not covered: inflected forms and synonyms of a phrase, which have to be
named; words of scripts without blanks; an abbreviation before a blank (`e.g. this`) counts as the end of a sentence.
"""

import re
import unicodedata
from collections.abc import Iterator

import numpy as np

from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import TextOutputs
from ft_platform.use_case.settings.answer_style import Style

WITHOUT_BLANKS = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""How the names of the letters begin in scripts that put no blanks between words."""
SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|[。！？]+|\n+")
APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ´`", "'"))


def folded(text: str) -> str:
    """A text by its letters alone."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.translate(APOSTROPHES)).casefold())
    return " ".join("".join(sign for sign in plain if unicodedata.category(sign) != "Cf").split())


def _in_a_word(sign: str) -> bool:
    """Whether a sign makes another word of the letters beside it."""
    return unicodedata.category(sign)[0] in "LMN" and not unicodedata.name(sign, "").startswith(WITHOUT_BLANKS)


def _ends_between(text: str, place: int) -> bool:
    """Whether no word of a text goes on over a place in it."""
    return not (0 < place < len(text) and _in_a_word(text[place - 1]) and _in_a_word(text[place]))


def places(phrase: str, text: str) -> Iterator[tuple[int, int]]:
    """Where a phrase stands in a folded text as words of its own: start and end."""
    words = folded(phrase)
    start = text.find(words)
    while start >= 0:
        end = start + len(words)
        if _ends_between(text, start) and _ends_between(text, end):
            yield start, end
        start = text.find(words, start + 1)


def used(phrases: list[str], answer: str) -> list[str]:
    """The phrases that an answer contains."""
    text = folded(answer)
    return [phrase for phrase in phrases if any(places(phrase, text))]


def _nothing_said(text: str) -> bool:
    return not any(map(str.isalnum, text))


def sentences(text: str) -> int:
    return sum(bool(part.strip()) for part in SENTENCE_END.split(text))


def rules_kept(style: Style, answer: str) -> dict[str, bool]:
    """Rule -> whether the answer keeps it, for every rule there is."""
    text, words = folded(answer), len(answer.split())
    found = {"min_words": words >= style.min_words}
    if style.max_words is not None:
        found["max_words"] = words <= style.max_words
    if style.max_sentences is not None:
        found["max_sentences"] = sentences(answer) <= style.max_sentences
    if style.openings:
        found["openings"] = any(
            _nothing_said(text[:start]) for phrase in style.openings for start, _ in places(phrase, text)
        )
    if style.closings:
        found["closings"] = any(
            _nothing_said(text[end:]) for phrase in style.closings for _, end in places(phrase, text)
        )
    if style.forbidden:
        found["forbidden"] = not used(style.forbidden, answer)
    return found


def statistics(outputs: TextOutputs) -> np.ndarray:
    return np.array([[all(rules_kept(outputs.style, answer).values()), 1.0] for answer in outputs.answers], float)


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


METRIC = Metric(
    "style",
    "Keeps the style",
    "generation",
    0.0,
    1.0,
    True,
    9,
    statistics,
    score,
    lambda outputs: outputs.style.checkable,
)
