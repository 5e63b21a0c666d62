"""Which texts recognizers can find anything in, asked of many texts at once: most hold no digit and no sign that any of
them needs.

Covered: texts of printable ASCII that `normalize` leaves as they are. All others count as if they held everything.
"""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.privacy.entities import Recognizer

FEWEST = 32
"""Texts from which on it costs less to ask of all of them than to search each."""
DIGIT = "[0-9]"
NORMALIZED = r"[^ -~]|[&<%|\\]|[*][*]|  | / |(?:[^ ]  ?){4}[^ ]"
"""What stands in every text that `normalize` changes, beside digits: other characters, escapes, tags, wide spacing."""


class Hints:
    """Args: recognizers: those that have a hint, or need digits, are joined to one expression.

    Attributes:
        unhinted: recognizers that search every text.
    """

    def __init__(self, recognizers: Sequence[Recognizer]) -> None:
        hints = {recognizer: hint_of(recognizer) for recognizer in recognizers}
        self.unhinted = [recognizer for recognizer, hint in hints.items() if hint is None]
        self._expression = "|".join(dict.fromkeys([NORMALIZED, DIGIT, *filter(None, hints.values())]))

    def held_by(self, texts: Sequence[str]) -> list[bool]:
        """Whether recognizers with a hint can find anything in each text; few texts are not looked at."""
        if len(texts) < FEWEST:
            return [True] * len(texts)
        # As bytes, so that a character that is half of a pair of surrogates is no error.
        data = pa.array([text.encode(errors="surrogatepass") for text in texts], pa.large_binary())
        return pc.match_substring_regex(data, self._expression).to_pylist()


def hint_of(recognizer: Recognizer) -> str | None:
    """Its hint; that of a recognizer of numbers is a digit."""
    return getattr(recognizer, "hint", DIGIT if getattr(recognizer, "digits", 0) else None)
