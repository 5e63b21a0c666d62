"""Bank account, routing and loan numbers that are named as such."""

import re

from ft_platform.privacy.context import holds_any
from ft_platform.privacy.spans import Span

WORDS = ("acc", "a/c", "routing", "aba", "sort code", "iban", "konto", "cuenta", "loan")
# A word that names an account, at most a few filler words, then 6 to 20 digits with at most single separators.
NAMED = re.compile(
    r"\b(?:accounts?|acct|acc|a/c|bank account|checking|savings|routing|aba|rtn|sort code|iban|konto(?:nummer)?|cuenta|loan)\b\.?"
    r"(?:\s*(?:number|no\.?|num\.?|nr\.?|id|#|n°|is|was|of|ending in|with|:|=)){1,4}\s*[:#]?\s*((?:[A-Z]{2}\d{2}[ -]?)?\d(?:[ -]?\d){5,19})(?![\w/]|[.,-]\d)",
    re.IGNORECASE,
)
SORT_CODE = re.compile(r"\bsort ?code\b[^\d\n]{0,12}(\d{2}[- ]?\d{2}[- ]?\d{2})(?![\w-])", re.IGNORECASE)
DATE = re.compile(r"\d{1,2}-\d{1,2}-\d{2,4}|\d{4}-\d{1,2}-\d{1,2}")


class BankAccountRecognizer:
    """Covered: 6 to 20 digits behind `account number`, `acct #`, `routing no.`, `Kontonummer` and the like. Not counted: dates, amounts."""

    entity = "BANK_ACCOUNT"

    def find(self, text: str) -> list[Span]:
        if not holds_any(text.lower(), WORDS):
            return []
        matches = [m for m in NAMED.finditer(text) if not DATE.fullmatch(m.group(1))] + list(SORT_CODE.finditer(text))
        return [Span(m.start(1), m.end(1), self.entity, 0.8, "bank_account") for m in matches]
