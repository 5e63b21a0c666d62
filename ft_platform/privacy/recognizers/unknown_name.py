"""Capitalized words that no list knows as everyday words: what a name that nothing recognizes looks like."""

import re

from ft_platform.privacy.names import CAPITALIZED, looks_like_name, possessive
from ft_platform.privacy.spans import Span

WORD = re.compile(rf"(?<![\w@.]){CAPITALIZED}(?![\w@])")


class UnknownNameRecognizer:
    """Covered: every capitalized word but everyday English words, weekdays, months, nationalities and large companies.
    Looked for only where `privacy.strictness` is `strict` or `privacy.entities` names UNKNOWN_NAME.

    Not covered: names that are everyday words (`Will`), names in lower case. In other languages it takes away most
    capitalized words.
    """

    entity = "UNKNOWN_NAME"
    optional = True

    def find(self, text: str) -> list[Span]:
        return [
            Span(m.start(), m.end() - possessive(m.group()), self.entity, 0.5, "unknown_name")
            for m in WORD.finditer(text)
            if looks_like_name(m.group(), places=True)
        ]
