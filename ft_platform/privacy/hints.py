"""Which recognizers can find anything in which texts, asked of many texts at once: most texts hold no digit and no sign
that any of them needs.

Covered: texts of ASCII. In all others every recognizer may find something.
"""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import re
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.privacy.normalize import Normalized

Recognizer = TypeVar("Recognizer")
"""`entities.Recognizer`, which is not imported: the chain of imports would be too long."""
FEWEST = 32
"""Texts from which on it costs less to ask of all of them than to search each."""
DIGIT = "[0-9]"
NORMALIZED = (
    r"[^ -~]|[&<%|\\]|[*][*]|  | / |(?:[^ ]  ?){4}[^ ]|[A-Za-z0-9+/_-]{6}[A-Z0-9+=]"
    r"|[A-Za-z0-9+/_-][A-Z0-9+][A-Za-z0-9+/_-]{6}"
    r"|[0-9A-Fa-f]{2}[ :-][0-9A-Fa-f]{2}[ :-][0-9A-Fa-f]{2}[ :-]"
    r"|[a-z][A-Z]+[a-z]+[A-Z]"
)
"""What stands in every text that `normalize` changes, beside digits: other characters, escapes, tags, wide spacing,
long words that may be encoded, mixed case."""
STRANGE = r"[^\t\n\f\r -~]"
"""Characters of which `re` and RE2 may think differently."""
RUN = re.compile(r"\d(?:[^\w]{0,3}\d)*")
"""Digits in a row."""


class Hints(Generic[Recognizer]):
    """Args: recognizers: in the order in which they are asked."""

    def __init__(self, recognizers: Sequence[Recognizer]) -> None:
        self.recognizers = list(recognizers)
        self._hints = [hint_of(recognizer) for recognizer in recognizers]
        self._digits = np.array([getattr(recognizer, "digits", 0) for recognizer in recognizers], int)
        self.read_all = None in self._hints
        """Whether a recognizer without a hint searches every text."""
        self._any = "|".join(dict.fromkeys([NORMALIZED, DIGIT, *filter(None, self._hints)]))

    def held_by(self, texts: Sequence[str]) -> list[bool]:
        """Whether any recognizer can find anything in each text, or `normalize` changes it; few texts are not looked
        at."""
        if self.read_all or len(texts) < FEWEST:
            return [True] * len(texts)
        return _holds(_bytes(texts), self._any).tolist()

    def asked(self, views: Sequence[Normalized]) -> list[list[Recognizer]]:
        """The recognizers that can find anything in each normalized text."""
        texts = [view.text for view in views]
        found = np.ones((len(views), len(self.recognizers)), bool)
        if len(views) >= FEWEST:
            data = _bytes(texts)
            for number, hint in enumerate(self._hints):
                if hint not in (None, DIGIT):
                    found[:, number] = _holds(data, hint)
            found[_holds(data, STRANGE) | [view.as_digits != "" for view in views]] = True
        digits = np.array([max(_most_digits(view.text), _most_digits(view.as_digits)) for view in views], int)
        found &= digits[:, None] >= self._digits
        return [[self.recognizers[number] for number in np.flatnonzero(row)] for row in found]


def hint_of(recognizer: object) -> str | None:
    """Its hint; that of a recognizer of numbers is a digit."""
    return getattr(recognizer, "hint", DIGIT if getattr(recognizer, "digits", 0) else None)


def _most_digits(text: str) -> int:
    """Digits of the longest row."""
    return max((sum(map(str.isdigit, run)) for run in RUN.findall(text)), default=0)


def _bytes(texts: Sequence[str]) -> pa.Array:
    """As bytes, so that a half of a pair of surrogates is no error."""
    return pa.array([text.encode(errors="surrogatepass") for text in texts], pa.large_binary())


def _holds(data: pa.Array, expression: str) -> np.ndarray:
    return pc.match_substring_regex(data, expression).to_numpy(zero_copy_only=False)
