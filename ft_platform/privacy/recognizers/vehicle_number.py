"""Vehicle identification numbers."""

import re

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.spans import Span

CANDIDATE = re.compile(r"(?<![A-Za-z0-9-])[A-HJ-NPR-Za-hj-npr-z0-9]{17}(?![A-Za-z0-9-])")
# 49 CFR 565.15(c): the value of each letter and the weight of each place; the remainder modulo 11 stands in place 9.
VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
CUES = cue(
    "vin|vehicle identification|vehicle id|chassis|fin|fahrgestellnummer|fahrzeugidentifizierungsnummer|bastidor"
    "|châssis"
    "|telaio|frame number"
)


def vin_is_valid(number: str) -> bool:
    total = sum(int(VALUES.get(char, char)) * weight for char, weight in zip(number, WEIGHTS, strict=True))
    return number[8] == "0123456789X"[total % 11]


class VehicleNumberRecognizer:
    """Covered: 17 letters and digits (ISO 3779) with the check digit of North America, or behind `VIN`, `chassis`,
    `Fahrgestellnummer`: numbers of other regions need no check digit."""

    entity = "VEHICLE_NUMBER"
    hint = "[A-HJ-NPR-Za-hj-npr-z0-9]{17}"
    digits = 1

    def find(self, text: str) -> list[Span]:
        spans = []
        for match in CANDIDATE.finditer(text):
            number = match.group().upper()
            if number.isalpha() or number.isdigit():
                continue
            named = CUES.search(before(text, match.start(), 40))
            if named or vin_is_valid(number):
                spans.append(Span(*match.span(), self.entity, 0.9 if named else 0.7, "vehicle_number"))
        return spans
