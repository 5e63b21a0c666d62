"""A small network of our own: persons, places and organizations in texts of ten languages, without a model hub.

It reads whole texts and is told no language: spellings, word lists and nine words on both sides decide. How it learned
and from what: `benchmarks/name_tagger`; what it finds in texts of others: docs/benchmarks/names.md."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from ft_platform.privacy.casing import WORD
from ft_platform.privacy.names import MASK, NOT_PERSONAL, not_names, without_contraction
from ft_platform.privacy.ner import WEIGHTS
from ft_platform.privacy.ner.built_in.network import Network
from ft_platform.privacy.ner.built_in.words import tokens
from ft_platform.privacy.spans import Span

FAVOUR = 9.0
"""Odds of a name over those that the network gives: with `privacy.min_score` 0.5 a word counts from a probability of
0.1, since a name that is missed costs more than a word too much."""
LEAST_SCORE, SURE = 0.3, 0.5
LEAST_SHARE = 0.02
"""Probability of a tag below which no score is reached: most words are not looked at again."""
BETWEEN = frozenset(("", " ", "  ", ".", "'", "’", "' ", "’ "))
"""What may stand between two words of one name; a full stop and a blank only behind an initial."""
TITLE = re.compile(r"(?<!\w)(?:mr|mrs|ms|miss|dr|prof|herr|frau|mme|sr|sra)\.?[ ]+$", re.IGNORECASE)
"""In front of a month or a company it makes a name: `Mr. Chase`, `Ms May`."""
TITLED = re.compile(r"(?<!\w)(?:Mr|Mrs|Ms|Mx|Dr|Herr|Mme)\.? +(?=[^\W\d_a-z])")
"""A title and a capital: what follows is a name, even where it is an everyday word (`Mr. Deeds is`)."""
TITLES = ("Mr", "Ms", "Mx", "Dr", "Herr", "Mme")
"""One of them is in every text in which `TITLED` finds something; to look for them takes a tenth of the time."""
FAMILY = re.compile(
    r"(?<=[^\W\d_])(?=[ ](?:&|and|und|et|y|e|og|och|en)[ ](?:Sons?|Daughters?|Brothers|Bros|Söhne|Sohn|Töchter"
    r"|Fils|Hijos?|Figli|Filhos"
    r"|Zonen|Zn|Sønner|Söner)(?!\w))"
)
"""Behind the name of a family that a firm is called by (`Markovic & Sons`)."""
IN_FAMILY = (" Son", " Dau", " Bro", " Söh", " Töc", " Fil", " Fig", " Hij", " Zo", " Zn", " Søn", " Sön")
NO_FAMILY = frozenset(("fathers", "mothers", "parents", "wives", "daughters", "sons", "brothers", "sisters"))
SENTENCE_STARTS = frozenset('.!?:\n-*•>"“(')
"""Signs behind which a capital says little."""
WITHIN = frozenset(("", "-", "'", "’"))
"""Signs between two parts of one word, which are one name whatever each part alone would be."""


@cache
def built_in() -> "BuiltInNer":
    """Loaded once per process."""
    return BuiltInNer(WEIGHTS)


class BuiltInNer:
    """Args: file: weights, from `benchmarks/name_tagger`."""

    def __init__(self, file: Path) -> None:
        from safetensors.numpy import load_file

        self._network = Network(load_file(file))

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Spans of PERSON, LOCATION and ORGANIZATION in each text, whatever else is read with it."""
        read = [tokens(text) if may_name(text) else [] for text in texts]
        shares = self._network.tags([[word for _, _, word in one] for one in read])
        return [list(_spans(*one)) for one in zip(texts, read, shares, strict=True)]


def may_name(text: str) -> bool:
    """Whether any word is capitalized within a sentence, or no everyday word: short questions mostly have none, and
    need not be read. Of the annotated names of our English sources at most 0.2 % stand in a text without."""
    if _titled(text) or _families(text):
        return True
    everyday = not_names(True)
    for match in WORD.finditer(text):
        lowered = without_contraction(match.group().lower())
        if len(lowered) < 2:
            continue
        if lowered not in everyday:
            return True
        if match.group()[0].isupper():
            before = text[max(0, match.start() - 3) : match.start()].rstrip(" \t")
            if before and before[-1] not in SENTENCE_STARTS:
                return True
    return False


def _titled(text: str) -> set[int]:
    """Where words begin that have a title in front of them."""
    return {match.end() for match in TITLED.finditer(text)} if max(map(text.find, TITLES)) >= 0 else set()


def _families(text: str) -> set[int]:
    """Where words end that name a family with a firm."""
    return {match.start() for match in FAMILY.finditer(text)} if max(map(text.find, IN_FAMILY)) >= 0 else set()


def _spans(text: str, words: Sequence[tuple[int, int, str]], shares: np.ndarray) -> Iterator[Span]:
    """Neighbouring words of one entity are one name; sure words and others are apart. Nothing that the source masked,
    and no name that is only a nationality, a weekday or a large company."""
    if titled := _titled(text):
        behind = [i for i, (start, _, _) in enumerate(words) if start in titled]
        shares[behind, 1] = np.maximum(shares[behind, 1], SURE)
    if families := _families(text):
        behind = [
            i
            for i, (_, end, word) in enumerate(words)
            if end in families and word[0].isupper() and word.lower() not in NO_FAMILY
        ]
        shares[behind, 1] = np.maximum(shares[behind, 1], SURE)
    near: list[int] = np.flatnonzero(shares[:, 1:4].max(-1) > LEAST_SHARE).tolist() if words else []
    judged = [
        (words[i][0], words[i][1], *one)
        for i in near
        if (one := _judged(shares[i].tolist())) and words[i][2][0].isalnum() and not MASK.search(words[i][2])
    ]
    place = 0
    while place < len(judged):
        start, end, entity, sure, score = judged[place]
        place += 1
        while place < len(judged):
            behind = judged[place]
            between = text[end : behind[0]]
            same = behind[2:4] == (entity, sure) and (
                between in BETWEEN or (between == ". " and end - judged[place - 1][0] == 1)
            )
            if not (same or between in WITHIN):
                break
            end, score, place = behind[1], max(score, behind[4]), place + 1
        if not NOT_PERSONAL.issuperset(text[start:end].lower().split()) or TITLE.search(
            text, max(0, start - 12), start
        ):
            yield Span(start, end, entity, round(score, 4), "built_in")


def _judged(shares: list[float]) -> tuple[str, bool, float] | None:
    """Entity of a word, whether it counts by default, and its score. What may be a person or a place is replaced,
    whichever of the two it is."""
    _, person, place, organization, _ = shares
    share = min(person + place, 1.0)
    score = FAVOUR * share / (1 + (FAVOUR - 1) * share)
    if score >= LEAST_SCORE:
        return ("PERSON" if person >= place else "LOCATION"), score >= SURE, score
    return ("ORGANIZATION", True, organization) if organization > SURE else None
