"""Names of persons, word by word: a word has the same stand-in wherever it appears, so `Ms Okafor` stays the `Nora
Okafor` of the line before."""

import re

from ft_platform.privacy.draw import Draw
from ft_platform.privacy.names import is_given_name
from ft_platform.privacy.surrogates.words import GIVEN, SURNAMES, words_of

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
KEPT = frozenset(words_of("mr mrs ms miss mx dr prof sir madam herr frau sr sra señor señora mme monsieur madame jr"))
"""Titles: they name nobody."""
PARTICLES = frozenset(words_of("de da dos del della di la le van von der den bin al el zu ter"))


def person(draw: Draw, original: str) -> str | None:
    """A name with as many words, in the case of the original. Gender and origin are not kept."""
    if not WORD.search(original):
        return None
    return WORD.sub(lambda match: _word(draw, match.group()), original)


def _word(draw: Draw, word: str) -> str:
    lowered = word.casefold()
    if lowered in KEPT or (word.islower() and lowered in PARTICLES):
        return word
    own = draw.for_text(lowered)
    choices = "ABCDEFGHIJKLMNOPRSTVWZ" if len(word) == 1 else GIVEN if is_given_name(word) else SURNAMES
    value = own.of(choices)
    while value.casefold() == lowered:
        value = own.of(choices)
    return in_case(word, value)


def in_case(like: str, value: str) -> str:
    """A word in the case of another one."""
    if len(like) > 1 and like.isupper():
        return value.upper()
    return value.lower() if like.islower() else value


def user_name(draw: Draw, original: str) -> str:
    return f"{draw.of(GIVEN).lower()}.{draw.of(SURNAMES).lower()}{draw.digits(2)}"
