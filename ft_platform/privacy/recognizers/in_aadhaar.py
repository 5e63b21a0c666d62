"""Indian Aadhaar numbers."""

import re

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.spans import Span

CANDIDATE = re.compile(r"(?<![\w.,$₹/-])[2-9]\d{3}([ -]?)\d{4}\1\d{4}(?![\w/]|[.,-]\d|[ -]\d)")
CUES = cue("aadhaar|aadhar|adhaar|adhar|uid|uidai|unique identification")
# Verhoeff 1969, "Error Detecting Decimal Codes": multiplication of the dihedral group D5 and the permutation by place.
D5 = "0123456789 1234067895 2340178956 3401289567 4012395678 5987604321 6598710432 7659821043 8765932104 9876543210"
PLACES = "0123456789 1576283094 5803796142 8916043527 9453126870 4286573901 2793806415 7046913258"
PRODUCT, PERMUTATION = ([[int(digit) for digit in row] for row in table.split()] for table in (D5, PLACES))


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
