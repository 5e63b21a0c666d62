"""Numbers that may be somebody's, whatever they count."""

import re

from ft_platform.privacy.names import MASK
from ft_platform.privacy.spans import Span

# With letters: `AB12-345`. Between the parts at most one sign.
CODE = re.compile(r"(?<![\w$€£])[A-Z0-9]++(?:[ ./-][A-Z]*\d[A-Z0-9]*+)*+(?![\w%€])")
YEAR = re.compile(r"(?:19|20)\d\d")
AMOUNT = re.compile(r"\d{1,3}(?:[,.]\d{3})*(?:[,.]\d\d)?|\d+[.,]\d\d")
COUNTED = re.compile(
    r"[ ]?(?:%|(?:percent|dollars?|euros?|usd|eur|gbp|kg|km|miles|days|weeks|months|years|hours|minutes)(?!\w))", re.I
)
FEWEST_DIGITS = 3


class NumberRecognizer:
    """Covered: three digits or more, with the letters, blanks and signs between them. Looked for only where
    `privacy.strictness` is `strict` or `privacy.entities` names NUMBER.

    Not covered, so that texts stay readable: years, amounts of money and counted things (`$1,200`, `300 miles`).
    """

    entity = "NUMBER"
    digits = FEWEST_DIGITS
    optional = True

    def find(self, text: str) -> list[Span]:
        return [
            Span(m.start(), m.end(), self.entity, 0.5, "number")
            for m in CODE.finditer(text)
            if sum(map(str.isdigit, m.group())) >= FEWEST_DIGITS and not self._counts(text, m)
        ]

    @staticmethod
    def _counts(text: str, found: re.Match[str]) -> bool:
        value = found.group()
        return bool(
            MASK.search(value)
            or YEAR.fullmatch(value)
            or (AMOUNT.fullmatch(value) and ("," in value or "." in value))
            or (value.isdigit() and COUNTED.match(text, found.end()))
        )
