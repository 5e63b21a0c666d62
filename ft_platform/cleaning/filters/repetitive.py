"""The user's text repeats itself: more than `cleaning.max_repeated_share` of its characters stand in lines or phrases
that were there before.

After the repetition rules of Gopher (Rae et al. 2021, arXiv:2112.11446, table A1): duplicate lines, which it allows to
0.20 of the characters, and duplicate word 5-grams, to 0.15. Short phrases (`no no no no no no`) count by their share of
equal neighbours."""

import re
from itertools import pairwise

import numpy as np

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.use_case.named import NamedUseCase

ORDER = 1
WORDS = 5
WORD = re.compile(r"\S+")
LONG_RUN = re.compile(r"(\S)\1{9,}")
"""Ten times the same character, without a blank."""


def removes(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    most = use_case.settings.cleaning.max_repeated_share
    if most is None:
        return records.none()
    return records.where(lambda text: repeated_share(text) > most)


def repeated_share(text: str) -> float:
    """Share in [0, 1] of the characters (white space aside) that repeat what stands before them: the largest of three
    counts."""
    words = WORD.findall(text.casefold())
    characters = sum(map(len, words))
    if not characters:
        return 0.0
    runs = sum(len(run[0]) - 1 for run in LONG_RUN.finditer(text))
    neighbours = sum(len(word) for before, word in pairwise(words) if word == before)
    return max(_in_repeated_lines(text), _in_repeated_phrases(words), runs + neighbours) / characters


def _in_repeated_lines(text: str) -> int:
    seen: set[str] = set()
    repeated = 0
    for line in filter(None, ("".join(line.casefold().split()) for line in text.split("\n"))):
        repeated += len(line) if line in seen else 0
        seen.add(line)
    return repeated


def _in_repeated_phrases(words: list[str]) -> int:
    """Characters of words that belong to a 5-gram that was there before, each word once."""
    seen: set[tuple[str, ...]] = set()
    repeated, counted = 0, 0
    for start in range(len(words) - WORDS + 1):
        phrase = tuple(words[start : start + WORDS])
        if phrase in seen:
            repeated += sum(map(len, words[max(start, counted) : start + WORDS]))
            counted = start + WORDS
        seen.add(phrase)
    return repeated
