"""US social security numbers and individual taxpayer numbers."""

import re

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.spans import Span

# Social Security Administration, "Social Security Number Randomization" (2011): area 000, 666 and 900-999, group 00 and
# serial 0000 are never issued. ITIN (Internal Revenue Manual 3.21.263): area 900-999, group 50-65, 70-88, 90-92, 94-99.
SSN = re.compile(r"(?<![\w.,$-])(?!000|666|9)\d{3}([- .]?)(?!00)\d{2}\1(?!0000)\d{4}(?![\w-]|[.,]\d)")
ITIN = re.compile(r"(?<![\w.,$-])9\d{2}-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-\d{4}(?![\w-]|[.,]\d)")
LAST_FOUR = re.compile(r"(?<![\w.,$-])\d{4}(?![\w-]|[.,]\d)")
CUES = cue(r"ssn|ss ?#|ss no\.?|ss number|social security|social|sozialversicherungsnummer|taxpayer|itin")
LAST_FOUR_CUE = re.compile(
    r"last (?:four|4)(?: digits?| numbers?)?(?: of)?(?: my| your| his| her| the)? (?:ssn|social(?: security)?)(?:"
    r" number| #)?(?: is| are|:)? ?$"
)


class UsSsnRecognizer:
    """Covered: `123-45-6789` anywhere; with blanks, dots or in one piece beside words such as `SSN`; the last four
    digits after `last four of my SSN is`."""

    entity = "US_SSN"
    hint = "[0-9]{3}[- .]?[0-9]{2}[- .]?[0-9]{4}|(?i:last (?:four|4))"
    digits = 4

    def find(self, text: str) -> list[Span]:
        spans = [Span(m.start(), m.end(), self.entity, self._score(text, m), "us_ssn") for m in SSN.finditer(text)]
        spans += [Span(m.start(), m.end(), self.entity, 0.8, "us_ssn") for m in ITIN.finditer(text)]
        lowered = text.lower()
        if "last four" in lowered or "last 4" in lowered:
            spans += [
                Span(m.start(), m.end(), self.entity, 0.7, "us_ssn")
                for m in LAST_FOUR.finditer(text)
                if LAST_FOUR_CUE.search(before(text, m.start(), 60))
            ]
        return spans

    @staticmethod
    def _score(text: str, match: re.Match[str]) -> float:
        plain = {"-": 0.85, " ": 0.4, ".": 0.3, "": 0.1}[match.group(1)]
        return min(1.0, plain + 0.5) if CUES.search(before(text, match.start(), 50)) else plain
