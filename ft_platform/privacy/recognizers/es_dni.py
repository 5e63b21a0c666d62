"""Spanish identity numbers of citizens (DNI) and foreigners (NIE)."""

import re

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.spans import Span

CANDIDATE = re.compile(r"(?<![\w.,-])(?:\d{8}|\d{2}\.\d{3}\.\d{3}|[XYZ]-?\d{7})[ -]?[A-Z](?![\w-])", re.IGNORECASE)
LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
CUES = cue("dni|nie|nif|documento|identidad")


def dni_is_valid(compact: str) -> bool:
    """The letter is `LETTERS[number mod 23]`, with X, Y, Z in front as 0, 1, 2 (Spanish Ministry of the Interior,
    "Cálculo del dígito de control")."""
    digits = compact[:-1].translate(str.maketrans("XYZ", "012"))
    return LETTERS[int(digits) % 23] == compact[-1]


class EsDniRecognizer:
    """Covered: `12345678Z`, `12.345.678-Z`, `X1234567L` with the right letter; lower case only beside words such as
    `DNI`."""

    entity = "ES_DNI"
    digits = 7

    def find(self, text: str) -> list[Span]:
        spans = []
        for match in CANDIDATE.finditer(text):
            if dni_is_valid(re.sub(r"[ .-]", "", match.group()).upper()):
                score = 0.8 if match.group().isupper() else 0.4
                if CUES.search(before(text, match.start(), 40)):
                    score = 1.0
                spans.append(Span(match.start(), match.end(), self.entity, score, "es_dni"))
        return spans
