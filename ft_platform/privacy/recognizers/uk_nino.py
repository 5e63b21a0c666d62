"""British national insurance numbers."""

import re

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.spans import Span

# HMRC National Insurance Manual NIM39110: no D, F, I, Q, U, V in the prefix, no O as second letter, not BG, GB, NK, KN,
# TN, NT, ZZ; six digits; suffix A to D.
NINO = re.compile(
    r"(?<![\w-])(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ -]?\d{2}([ -]?)\d{2}\1\d{2}"
    r"[ -]?[A-D](?![\w-])",
    re.IGNORECASE,
)
CUES = cue("nino|ni|national insurance|ni number|insurance number")


class UkNinoRecognizer:
    """Covered: `AB 12 34 56 C` with blanks, hyphens or in one piece; lower case only beside words such as `national
    insurance`."""

    entity = "UK_NINO"
    hint = "[A-Za-z]{2}[ -]?[0-9]{2}"
    digits = 6

    def find(self, text: str) -> list[Span]:
        spans = []
        for match in NINO.finditer(text):
            score = 0.8 if match.group().isupper() else 0.4
            if CUES.search(before(text, match.start(), 40)):
                score = 1.0
            spans.append(Span(match.start(), match.end(), self.entity, score, "uk_nino"))
        return spans
