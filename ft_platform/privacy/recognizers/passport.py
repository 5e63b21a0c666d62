"""Passport numbers, and the machine-readable line that holds one."""

import re

from ft_platform.privacy.context import holds_any
from ft_platform.privacy.spans import Span

WORDS = ("passport", "reisepass", "passeport", "pasaporte", "passaporto", "paspoort")
# No common form (ICAO Doc 9303-4 allows up to nine letters and digits): the word decides.
NAMED = re.compile(
    r"(?<!\w)(?:passport|reisepass|passeport|pasaporte|passaporto|paspoort)(?:,?[ -]?(?:number"
    r"|nummer|no\.?|nr\.?|num\.?|n°|id|#))?(?:\s*(?:is|was|ist|est|es|:|=|#|-|\()){0,3}\s*"
    r"((?=[A-Z\d]{0,8}\d[A-Z\d]{0,7}\d[A-Z\d]{0,6}\d)[A-Z\d]{6,9})(?![\w/-])",
    re.IGNORECASE,
)
ZONE = re.compile(r"(?<![A-Z0-9<])[A-Z0-9<]{9}\d[A-Z<]{3}\d{6}\d[MFX<]\d{6}\d[A-Z0-9<]{14}[\d<]\d(?![A-Z0-9<])")


def check_digit(field: str) -> int:
    """ICAO Doc 9303-3, section 4.9: weights 7, 3, 1, digits as they are, A to Z as 10 to 35, `<` as 0, modulo 10."""
    return sum((0 if c == "<" else int(c, 36)) * (7, 3, 1)[i % 3] for i, c in enumerate(field)) % 10


class PassportRecognizer:
    """Covered: 6 to 9 letters and digits, three of them digits, behind `passport number`, `Reisepass Nr.` and the like;
    the second line of a passport's machine-readable zone with valid check digits.

    Not covered: a number without such a word.
    """

    entity = "PASSPORT"
    hint = "(?i:passport|reisepass|passeport|pasaporte|passaporto|paspoort)|<"
    digits = 1

    def find(self, text: str) -> list[Span]:
        spans = []
        if holds_any(text.lower(), WORDS):
            spans += [Span(m.start(1), m.end(1), self.entity, 0.85, "passport") for m in NAMED.finditer(text)]
        if "<" in text:
            spans += [
                Span(m.start(), m.end(), self.entity, 1.0, "passport")
                for m in ZONE.finditer(text)
                if self._is_zone(m.group())
            ]
        return spans

    @staticmethod
    def _is_zone(line: str) -> bool:
        return all(check_digit(line[a:b]) == int(line[b]) for a, b in ((0, 9), (13, 19), (21, 27)))
