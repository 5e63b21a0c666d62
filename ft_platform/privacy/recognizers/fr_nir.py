"""French social security numbers (numéro d'inscription au répertoire)."""

import re

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.spans import Span

# Sex, year, month (01-12; 20-42 and 50-99 where it is unknown), département (2A and 2B in Corsica), commune, order,
# key.
CANDIDATE = re.compile(
    r"(?<![\w.,$€/-])[12378][ .]?\d{2}[ .]?(?:0[1-9]|1[0-2]|[2-9]\d)[ .]?(?:\d{2}|2[AB])[ .]?\d{3}[ .]?\d{3}"
    r"(?:(?:[ .]|[ ]?(?:/|-|cl[ée][ ]?:?)[ ]?)?\d{2}|(?![ .]?\d))(?![\w/-]|[.,]\d)",
    re.IGNORECASE,
)
KEY_SIGNS = re.compile(r"[ ./-]|cl[ée][ ]?:?", re.IGNORECASE)
CUES = cue("nir|sécu|sécurité sociale|securite sociale|carte vitale|numéro de sécurité|insee|social security")


def nir_is_valid(compact: str) -> bool:
    """The last two digits are 97 minus the first thirteen modulo 97, with 2A counted as 19 and 2B as 18.

    Source: Insee, "Numéro d'inscription au répertoire des personnes physiques", décret 82-103 of 22 January 1982.
    """
    number = compact[:13].upper().replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(compact[13:])


class FrNirRecognizer:
    """Covered: fifteen digits with a valid key, in groups or in one piece; the thirteen without a key beside words such
    as `numéro de sécu`. Not covered: the thirteen in Corsica, whose longest run has seven digits."""

    entity = "FR_NIR"
    digits = 8

    def find(self, text: str) -> list[Span]:
        spans = []
        for match in CANDIDATE.finditer(text):
            compact = KEY_SIGNS.sub("", match.group())
            named = CUES.search(before(text, match.start(), 60))
            if nir_is_valid(compact) if len(compact) == 15 else named:
                # One in 97 numbers of fifteen digits is valid by chance, and few have such a month.
                score = 0.85 if not named else 1.0 if len(compact) == 15 else 0.8
                spans.append(Span(match.start(), match.end(), self.entity, score, "fr_nir"))
        return spans
