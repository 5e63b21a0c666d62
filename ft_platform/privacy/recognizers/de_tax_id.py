"""German tax identification numbers (Steueridentifikationsnummer)."""

import re
from collections import Counter

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.spans import Span

CANDIDATE = re.compile(r"(?<![\w.,$€/-])[1-9]\d([ /]?)\d{3}\1\d{3}\1\d{3}(?![\w/-]|[.,]\d)")
CUES = cue(
    "steuer-?id|steueridentifikationsnummer|identifikationsnummer|steuernummer|steuer-identnummer|idnr|tax id|tax"
    " number|tax identification number|tin"
)


def tax_id_is_valid(digits: str) -> bool:
    """Eleven digits: one of the first ten occurs twice or three times, all others at most once; check digit by ISO 7064
    MOD 11,10.

    Source: section 139b Abgabenordnung; Bundeszentralamt für Steuern, "Steuerliche Identifikationsnummer", structure
    and check digit."""
    counts = sorted(Counter(digits[:10]).values(), reverse=True)
    if counts[0] not in (2, 3) or counts[1] > 1:
        return False
    product = 10
    for char in digits[:10]:
        total = (int(char) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


class DeTaxIdRecognizer:
    """Covered: eleven digits with valid check digit, grouped `12 345 678 901` or beside words such as `Steuer-ID`."""

    entity = "DE_TAX_ID"
    digits = 11

    def find(self, text: str) -> list[Span]:
        spans = []
        for match in CANDIDATE.finditer(text):
            if tax_id_is_valid(re.sub(r"\D", "", match.group())):
                # Without the word or the grouping it may be any eleven-digit number: one in about 40 is valid by
                # chance.
                score = 0.95 if CUES.search(before(text, match.start(), 50)) else 0.6 if match.group(1) else 0.3
                spans.append(Span(match.start(), match.end(), self.entity, score, "de_tax_id"))
        return spans
