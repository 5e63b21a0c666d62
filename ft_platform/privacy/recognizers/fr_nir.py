"""French social security numbers (numéro d'inscription au répertoire)."""

import re

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.spans import Span

# Sex, year, month (01-12; 20-42 and 50-99 where it is unknown), département (2A and 2B in Corsica), commune, order,
# key.
CANDIDATE = re.compile(
    r"(?<![\w.,$€/-])[12378][ .]?\d{2}[ .]?(?:0[1-9]|1[0-2]|[2-9]\d)[ .]?(?:\d{2}|2[AB])[ .]?\d{3}[ .]?\d{3}"
    r"[ .]?\d{2}(?![\w/-]|[.,]\d)",
    re.IGNORECASE,
)
CUES = cue("nir|sécu|sécurité sociale|securite sociale|carte vitale|numéro de sécurité|insee|social security")


def nir_is_valid(compact: str) -> bool:
    """The last two digits are 97 minus the first thirteen modulo 97, with 2A counted as 19 and 2B as 18.

    Source: Insee, "Numéro d'inscription au répertoire des personnes physiques", décret 82-103 of 22 January 1982.
    """
    number = compact[:13].upper().replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(compact[13:])


class FrNirRecognizer:
    """Covered: fifteen digits with a valid key, in groups or in one piece. Not covered: the thirteen digits without
    their key."""

    entity = "FR_NIR"
    digits = 8

    def find(self, text: str) -> list[Span]:
        spans = []
        for match in CANDIDATE.finditer(text):
            if nir_is_valid(re.sub(r"[ .]", "", match.group())):
                # One in 97 numbers of fifteen digits is valid by chance, and few have such a month.
                score = 1.0 if CUES.search(before(text, match.start(), 60)) else 0.85
                spans.append(Span(match.start(), match.end(), self.entity, score, "fr_nir"))
        return spans
