"""International bank account numbers."""

import re

from ft_platform.privacy.spans import Span

# SWIFT IBAN registry (ISO 13616), release 99: country and number of characters.
REGISTRY = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27
GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27
MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19
SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20
"""
LENGTHS = {entry[:2]: int(entry[2:]) for entry in REGISTRY.split()}
START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ .\n-]{0,2}[A-Za-z0-9])")
PARTED = re.compile(r"[.\n]")
SEPARATOR = re.compile(r"(?:[ -]|[ ]?[.\n][ ]?)(?=[A-Za-z0-9])")


def iban_is_valid(compact: str) -> bool:
    """ISO 7064 MOD 97-10 over the number with its first four characters moved to the end and letters as 10 to 35 (ISO
    13616)."""
    digits = "".join(str(int(c, 36)) for c in compact[4:] + compact[:4])
    return int(digits) % 97 == 1


class IbanRecognizer:
    """Covered: all countries of the registry, in one piece or in groups that blanks, hyphens, dots or the end of a line
    part, any case, valid check digits only."""

    entity = "IBAN"
    hint = "[A-Za-z]{2}[0-9]{2}"
    digits = 2

    def find(self, text: str) -> list[Span]:
        spans = []
        for match in START.finditer(text):
            end = self._end(text, match.start(), LENGTHS.get(match.group()[:2].upper(), 0))
            if end:
                spans.append(Span(match.start(), end, self.entity, 1.0, "iban"))
        return spans

    @staticmethod
    def _end(text: str, start: int, length: int) -> int:
        """Where the IBAN that starts here ends, or 0 if there is none: `length` characters, what parts its groups left
        out."""
        compact: list[str] = []
        position = start
        while position < len(text) and len(compact) < length:
            char = text[position]
            if char.isascii() and char.isalnum():
                compact.append(char)
                position += 1
            elif separator := SEPARATOR.match(text, position):
                position = separator.end()
            else:
                return 0
        whole = len(compact) == length > 0 and not text[position : position + 1].isalnum()
        if whole and PARTED.search(text, start, position) and 2 * sum(map(str.isdigit, compact)) < length:
            return 0  # words of a sentence
        return position if whole and iban_is_valid("".join(compact)) else 0
