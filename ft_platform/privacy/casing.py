"""Texts and sentences in one case, written as the recognizers and the models learned names: everyday words small, names
capitalized."""

import re
from functools import lru_cache

from ft_platform.privacy.names import MASK, not_names, without_contraction

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
TWO_CAPITALS = re.compile(r"[^\W\d_a-zX]['’]?[^\W\d_a-z]|X['’]?[^\W\d_a-zX]")
"""What every word in capitals holds that is no mask."""


def is_in_capitals(text: str) -> bool:
    """Whether all letters are capitals, or four words or more are, masks aside, but for one in five."""
    if text.isupper():
        return True
    if len(TWO_CAPITALS.findall(text)) < 4:
        return False
    plain = [w for w in WORD.findall(text) if len(w) > 1 and not MASK.search(w)]
    return len(plain) >= 4 and sum(w.isupper() for w in plain) >= 0.8 * len(plain)


def truecase(text: str) -> str:
    """A text in one case with everyday words in lower case and all others capitalized, as names are where they were
    learned. The characters stay in their places."""
    return WORD.sub(lambda match: _cased(match.group()), text)


@lru_cache(50_000)
def _cased(word: str) -> str:
    lowered = word.lower()
    capital = lowered[0].upper()
    if MASK.search(word) or len(lowered) != len(word) or len(capital) != 1:
        return word
    return lowered if without_contraction(lowered) in not_names(True) else capital + lowered[1:]


def in_sentence_case(text: str) -> str:
    """A text in one case as `truecase` writes it, any other as it is."""
    return truecase(text) if text.islower() or is_in_capitals(text) else text
