"""Italian tax codes (codice fiscale)."""

import re

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.id_numbers import is_birthday
from ft_platform.privacy.spans import Span

# The search starts at the year: a pattern that starts with six letters would try every word. `L` to `V` stand for
# digits where two persons would have the same code (omocodia).
CANDIDATE = re.compile(
    r"\d(?:(?<=(?<!\w)[A-Z]{6}\d)|(?<=(?<!\w)[A-Z]{3}[ ][A-Z]{3}[ ]\d))\d[A-EHLMPR-T][\dL-NP-V]{2}[ ]?"
    r"[A-MZ][\dL-NP-V]{3}[A-Z](?!\w)",
    re.IGNORECASE,
)
CUES = cue("codice fiscale|cod\\.? ?fisc\\.?|c\\.?f\\.?|italian tax (?:code|id|number)|fiscal code")
MONTHS = "ABCDEHLMPRST"
ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
REPLACED = str.maketrans("LMNPQRSTUV", "0123456789")


def fiscal_code_is_valid(code: str) -> bool:
    """Year, month and day of birth (plus 40 for women), and the check letter.

    Source: decreto ministeriale of 23 December 1976 (Sistemazione delle tessere e del codice fiscale), articles 2 to
    6."""
    places = [int(c) if c.isdigit() else ord(c) - ord("A") for c in code[:15]]
    total = sum(value if index % 2 else ODD[value] for index, value in enumerate(places))
    day = int(code[9:11].translate(REPLACED))
    return code[15] == chr(ord("A") + total % 26) and any(
        is_birthday(century + int(code[6:8]), MONTHS.index(code[8]) + 1, day - 40 if day > 40 else day)
        for century in (1900, 2000)
    )


class ItFiscalCodeRecognizer:
    """Covered: sixteen characters with a date and a valid last letter, in one piece or `MRT MTT 91D08 F205J`, with up
    to five digits replaced by letters; lower case only beside words such as `codice fiscale`.

    Not covered: codes whose year is written in letters; the eleven digits of companies.
    """

    entity = "IT_FISCAL_CODE"
    hint = "[0-9]{2}(?i:[A-EHLMPR-T])"
    digits = 2

    def find(self, text: str) -> list[Span]:
        spans = []
        for match in CANDIDATE.finditer(text):
            start = match.start() - (8 if text[match.start() - 1] == " " else 6)
            code = text[start : match.end()]
            if fiscal_code_is_valid(code.replace(" ", "").upper()):
                score = 1.0 if CUES.search(before(text, start, 50)) else 0.9 if code.isupper() else 0.4
                spans.append(Span(start, match.end(), self.entity, score, "it_fiscal_code"))
        return spans
