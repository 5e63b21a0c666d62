"""Bank account, routing and loan numbers that are named as such."""

import re

from ft_platform.privacy.context import alternatives, before, cue, holds_any
from ft_platform.privacy.spans import Span

WORDS = alternatives("acc|a/c|routing|aba|rtn|transit|sort code|sort-code|iban|konto|cuenta|compte|loan")
# A word that names an account, at most a few filler words, then 6 to 20 digits with at most single separators.
NAMED = re.compile(
    r"\b(?:accounts?|acct|acc|a/c|bank account|checking|savings|routing|aba|rtn|sort"
    r" code|iban|konto(?:nummer)?|cuenta|compte|loan)\b\.?"
    r"(?:\s*(?:number|no\.?|num\.?|nr\.?|id|#|n°|is|was|of|ending in|with|:|=)){1,4}\s*[:#]?\s*((?:[A-Z]{2}\d{2}"
    r"[ -]?)?\d(?:[ -]?\d){5,19})(?![\w/]|[.,-]\d)",
    re.IGNORECASE,
)
SORT_CODE = re.compile(r"\bsort[ -]?code\b[^\d\n]{0,12}(\d{2}[- ]?\d{2}[- ]?\d{2})(?![\w-])", re.IGNORECASE)
# Payments UK: six digits in pairs, then the account's eight.
SORT_CODE_AND_ACCOUNT = re.compile(
    r"(?<![\w-])\d{2}-\d{2}-\d{2}(?:[ ,;/]{1,3}|[ ]+(?:account|acct|a/c)\W{1,3}(?:no\.?|number)?\W{0,3})\d{8}(?![\w-])",
    re.IGNORECASE,
)
ROUTING = re.compile(r"(?<![\w.,$-])(?:0\d|1[0-2]|2[1-9]|3[0-2]|6[1-9]|7[0-2]|80)\d{7}(?![\w-]|[.,]\d)")
ROUTING_CUES = cue("routing|aba|rtn|transit|wire|ach|direct deposit|bank")
DATE = re.compile(r"\d{1,2}-\d{1,2}-\d{2,4}|\d{4}-\d{1,2}-\d{1,2}")


def routing_is_valid(digits: str) -> bool:
    """`3 (d1 + d4 + d7) + 7 (d2 + d5 + d8) + (d3 + d6 + d9)` is a multiple of ten (ABA Routing Number Policy; 12 CFR
    229, appendix A)."""
    return sum(int(d) * (3, 7, 1)[i % 3] for i, d in enumerate(digits)) % 10 == 0 and set(digits) != {"0"}


class BankAccountRecognizer:
    """Covered: 6 to 20 digits behind `account number`, `acct #`, `routing no.`, `Kontonummer` and the like; US routing
    numbers with a valid check digit beside words such as `routing` or `wire`; British sort codes, also with the
    account's number behind them.

    Not counted: dates, amounts.
    """

    entity = "BANK_ACCOUNT"
    digits = 6

    def find(self, text: str) -> list[Span]:
        spans = [
            Span(m.start(), m.end(), self.entity, 0.7, "bank_account") for m in SORT_CODE_AND_ACCOUNT.finditer(text)
        ]
        spans += [self._routing(text, m) for m in ROUTING.finditer(text) if routing_is_valid(m.group())]
        if holds_any(text.lower(), WORDS):
            matches = [m for m in NAMED.finditer(text) if not DATE.fullmatch(m.group(1))] + list(
                SORT_CODE.finditer(text)
            )
            spans += [Span(m.start(1), m.end(1), self.entity, 0.8, "bank_account") for m in matches]
        return spans

    def _routing(self, text: str, match: re.Match[str]) -> Span:
        # A tenth of all numbers of nine digits pass: the word must agree.
        cued = ROUTING_CUES.search(before(text, match.start(), 40))
        return Span(match.start(), match.end(), self.entity, 0.9 if cued else 0.3, "bank_account")
