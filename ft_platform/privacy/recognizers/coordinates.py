"""Places on earth as numbers or codes."""

import re

from ft_platform.privacy.context import before, cue
from ft_platform.privacy.spans import Span

DECIMAL = re.compile(
    r"(?<![\w.,$€£-])([+-]?\d{1,2}\.\d{3,15}+)°?[ ]?([NSns])?[ ]?[,;/ ][ ]?"
    r"([+-]?\d{1,3}\.\d{3,15}+)°?[ ]?([EWew])?(?![\w%]|[.,]\d)"
)
DEGREES = re.compile(
    r"(?<![\w.])\d{1,2}[ ]?°[ ]?\d{1,2}(?:\.\d{1,8})?[ ]?'(?:[ ]?\d{1,2}(?:\.\d{1,8})?[ ]?(?:\""
    r"|''))?[ ]?[NS][ ,;/]{0,3}"
    r"\d{1,3}[ ]?°[ ]?\d{1,2}(?:\.\d{1,8})?[ ]?'(?:[ ]?\d{1,2}(?:\.\d{1,8})?[ ]?(?:\"|''))?[ ]?[EWO](?!\w)"
)
LABELLED = re.compile(
    r"(?<!\w)(?:lat|latitude)[\"']?[ ]?[:=]?[ ]?([+-]?\d{1,2}\.\d{3,15}+)[ ]?[,;&]?\s?[\"']?(?:lon|lng|long"
    r"|longitude)[\"']?[ ]?[:=]?[ ]?([+-]?\d{1,3}\.\d{3,15}+)(?!\w)",
    re.IGNORECASE,
)
# Open Location Code, the full form: 20 digits without vowels, a plus behind the eighth.
PLUS_CODE = re.compile(r"(?<![\w+])[23456789CFGHJMPQRVWX]{8}\+[23456789CFGHJMPQRVWX]{2,7}(?!\w)")
WORDS = re.compile(
    r"(?:(?<![\w/:])///|(?<![\w.])(?:what3words\.com|w3w\.co)/"
    r"|(?<!\w)what3words[ :]{1,2}(?:is )?)([^\W\d_]{3,24}+(?:\.[^\W\d_]{3,24}+){2})(?![\w.])",
    re.IGNORECASE,
)
CUES = cue(
    "gps|coordinates?|coords?|location|located|position|lat|latitude|maps?|geo|koordinaten|standort|coordenadas"
    "|coordonnées"
)
FINE = 5
"""Decimals from which on a pair without a word counts: one metre. Shares and statistics have four."""


class CoordinatesRecognizer:
    """Covered: latitude and longitude as decimals (five or more, three behind a word such as `GPS`) or as degrees and
    minutes, full plus codes, what3words (`///filled.count.soap`).

    Not covered: coarser coordinates (a kilometre and more), other grids (UTM, MGRS), codes relative to a town.
    """

    entity = "COORDINATES"
    hint = r"[0-9][.][0-9]{3}|°|///|(?i:what3words|w3w)|[+][23456789CFGHJMPQRVWX]{2}"

    def find(self, text: str) -> list[Span]:
        matches = [*LABELLED.finditer(text)] if "." in text else []
        matches += [m for m in DECIMAL.finditer(text) if self._is_place(text, m)]
        if "°" in text:
            matches += DEGREES.finditer(text)
        spans = [Span(*m.span(), self.entity, 0.8, "coordinates") for m in (*matches, *PLUS_CODE.finditer(text))]
        return spans + [Span(m.start(), m.end(1), self.entity, 0.9, "coordinates") for m in WORDS.finditer(text)]

    @staticmethod
    def _is_place(text: str, match: re.Match[str]) -> bool:
        latitude, north, longitude, east = match.groups()
        if abs(float(latitude)) > 90 or abs(float(longitude)) > 180:
            return False
        decimals = min(len(value.rpartition(".")[2]) for value in (latitude, longitude))
        is_pair = "," in match.group() and decimals >= FINE and max(abs(float(latitude)), abs(float(longitude))) >= 1
        return bool((north and east) or is_pair or CUES.search(before(text, match.start(), 40)))
