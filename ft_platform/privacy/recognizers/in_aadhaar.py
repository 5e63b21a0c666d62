"""Indian Aadhaar numbers."""

import re

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.spans import Span

CANDIDATE = re.compile(r"(?<![\w.,$₹/-])[2-9]\d{3}([ -]?)\d{4}\1\d{4}(?![\w/]|[.,-]\d|[ -]\d)")
CUES = cue("aadhaar|aadhar|adhaar|adhar|uid|uidai|unique identification")
# Verhoeff 1969, "Error Detecting Decimal Codes": multiplication of the dihedral group D5 and the permutation by place.
PRODUCT = (
    *(
        (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
        (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
        (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
        (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    ),
    *(
        (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
        (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
        (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
        (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    ),
    *((8, 7, 6, 5, 9, 3, 2, 1, 0, 4), (9, 8, 7, 6, 5, 4, 3, 2, 1, 0)),
)
PERMUTATION = (
    *(
        (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
        (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
        (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
        (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    ),
    *(
        (9, 4, 5, 3, 1, 2, 6, 8, 7, 0),
        (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
        (2, 7, 9, 3, 8, 0, 6, 4, 1, 5),
        (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
    ),
)


def verhoeff_is_valid(digits: str) -> bool:
    """Whether the last digit is the Verhoeff check digit of the others (UIDAI, "Aadhaar number: structure")."""
    check = 0
    for place, char in enumerate(reversed(digits)):
        check = PRODUCT[check][PERMUTATION[place % 8][int(char)]]
    return check == 0


class InAadhaarRecognizer:
    """Covered: twelve digits, the first 2 to 9, with a valid check digit, grouped by four or beside words such as
    `Aadhaar`."""

    entity = "IN_AADHAAR"
    digits = 12

    def find(self, text: str) -> list[Span]:
        spans = []
        for match in CANDIDATE.finditer(text):
            digits = re.sub(r"\D", "", match.group())
            if verhoeff_is_valid(digits) and digits != digits[::-1]:
                # A tenth of all numbers pass: the word or the grouping must agree.
                score = 0.95 if CUES.search(before(text, match.start(), 50)) else 0.6 if match.group(1) else 0.3
                spans.append(Span(match.start(), match.end(), self.entity, score, "in_aadhaar"))
        return spans
