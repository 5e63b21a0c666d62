"""International bank account numbers."""

import re

from ft_platform.privacy.spans import Span

# Lengths by country: SWIFT IBAN registry (ISO 13616), release 99.
LENGTHS = {
    **{"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28},
    **{"CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18},
    **{"GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32},
    **{"LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28},
    **{"NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18},
    **{"SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20},
}
START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9])")


def iban_is_valid(compact: str) -> bool:
    """ISO 7064 MOD 97-10 over the number with its first four characters moved to the end and letters as 10 to 35 (ISO 13616)."""
    digits = "".join(str(int(c, 36)) for c in compact[4:] + compact[:4])
    return int(digits) % 97 == 1


class IbanRecognizer:
    """Covered: all countries of the registry, in one piece or in groups, any case, valid check digits only."""

    entity = "IBAN"

    def find(self, text: str) -> list[Span]:
        spans = []
        for match in START.finditer(text):
            end = self._end(text, match.start(), LENGTHS.get(match.group()[:2].upper(), 0))
            if end:
                spans.append(Span(match.start(), end, self.entity, 1.0, "iban"))
        return spans

    @staticmethod
    def _end(text: str, start: int, length: int) -> int:
        """Where the IBAN that starts here ends, or 0 if there is none: `length` characters, single blanks or hyphens left out."""
        compact: list[str] = []
        position = start
        while position < len(text) and len(compact) < length:
            char = text[position]
            if char.isascii() and char.isalnum():
                compact.append(char)
            elif char not in " -" or text[position - 1] in " -":
                return 0
            position += 1
        whole = len(compact) == length > 0 and not text[position : position + 1].isalnum()
        return position if whole and iban_is_valid("".join(compact)) else 0
