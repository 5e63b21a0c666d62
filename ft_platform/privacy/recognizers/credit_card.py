"""Payment card numbers."""

import re

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.spans import Span

CANDIDATE = re.compile(
    r"(?<![\w.,$€£-])(?:[2-6]|0604)(?:[ -]?\d){8,18}(?![\w-]|[.,]\d)|(?<![\w.,$€£-])(?:1800|2131)(?:"
    r"[ -]?\d){11}(?![\w-]|[.,]\d)"
)
# Written in its groups with dots or over two lines: four of four, or 4, 6 and 5.
GROUPED = re.compile(
    r"(?<![\w.,$€£-])(?:[2-6]\d{3}(?:SEP\d{4}){3}|3[47]\d\dSEP\d{6}SEP\d{5})(?![\w-]|[.,]\d)".replace(
        "SEP", r"(?:[ ]?[.\n-][ ]?|[ ])"
    )
)
# Cut anywhere by the end of a line.
CUT = re.compile(r"(?<![\w.,$€£-])[3-6](?:[ -]?\d){2,13}[ ]?\n[ ]?\d(?:[ -]?\d){1,13}(?![\w-]|[.,]\d)")
# Prefix and lengths by network: ISO/IEC 7812-1 ranges as published by the networks (Visa 4; Mastercard 51-55,
# 2221-2720; American Express 34, 37; Diners 300-305, 36, 38; Discover 6011, 644-649, 65; JCB 3528-3589, 1800, 2131;
# UnionPay 62; Maestro).
NETWORKS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}|(?:30[0-5]|3[68]\d)\d{11}"
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|(?:1800|2131)\d{11}|62\d{14,17}"
)
MAESTRO = re.compile(r"(?:5018|5020|5038|5612|5893|6304|6759|676[1-3]|0604|6390)\d{8,15}")
CUES = cue(
    "card|cards|credit|debit|visa|mastercard|amex|american express|discover|maestro|diners|jcb|kreditkarte|cc|pan"
)


def luhn_is_valid(digits: str) -> bool:
    """Luhn check (ISO/IEC 7812-1, annex B): every second digit from the right doubled, digit sum a multiple of ten."""
    total = 0
    for index, char in enumerate(reversed(digits)):
        value = int(char) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


class CreditCardRecognizer:
    """Covered: 12 to 19 digits that pass Luhn, with blanks or hyphens; four groups of four also with dots or over
    lines; a number of a known network that the end of a line cuts in two. A number of no known network counts beside
    words such as `card`."""

    entity = "CREDIT_CARD"
    digits = 12

    def find(self, text: str) -> list[Span]:
        spans = []
        matches = list(CANDIDATE.finditer(text))
        if "." in text or "\n" in text:
            matches += [m for pattern in (GROUPED, CUT) for m in pattern.finditer(text)]
        for match in matches:
            digits = re.sub(r"\D", "", match.group())
            if not luhn_is_valid(digits) or len(set(digits)) == 1:
                continue
            # A tenth of all numbers pass Luhn: the network's prefix and length, or the word, must agree.
            score = 0.9 if NETWORKS.fullmatch(digits) else 0.6 if MAESTRO.fullmatch(digits) else 0.3
            score -= 0.3 * ("\n" in match.group())
            if CUES.search(before(text, match.start(), 60)):
                score = min(1.0, score + 0.4)
            spans.append(Span(match.start(), match.end(), self.entity, score, "credit_card"))
        return spans
