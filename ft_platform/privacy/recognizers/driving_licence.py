"""Numbers of driving licences."""

import re

from ft_platform.privacy.context import alternatives, before, cue, holds_any
from ft_platform.privacy.spans import Span

WORDS = alternatives(
    "licen|driver|dl#|dl #|dl no|führerschein|permis de conduire|carnet de conducir|permiso de conducir"
)
# Each US state has its own form (AAMVA, "DL/ID Card Design Standard", annex on numbers: 1 to 25 characters): the words
# decide.
NAMED = re.compile(
    r"(?<!\w)(?:(?:drivers?|driver['’]s|driving)[ -]?(?:licen[cs]e|permit|id)|licen[cs]e"
    r"|dl|führerschein|permis de conduire|carnet de conducir|permiso de conducir)"
    r"(?:,?[ -]?(?:number|nummer|no\.?|nr\.?|num\.?|n°|id|#))?(?:\s*(?:is|was|ist|est|es|:|=|#|\(|,)){0,3}\s*"
    r"((?=[A-Z\d-]{0,18}\d[A-Z\d-]{0,17}\d[A-Z\d-]{0,16}\d[A-Z\d-]{0,15}\d)[A-Z\d](?:[A-Z\d]|-(?=[A-Z\d])){4,18})(?![\w/])",
    re.IGNORECASE,
)
# Driver and Vehicle Licensing Agency, "How to read your driver number": five of the surname, decade, month (plus 50 for
# women), day, year, initials, 9 or a digit, two letters.
UK = re.compile(
    r"(?<![\w-])[A-Z9]{5}[ ]?\d(?:0[1-9]|1[0-2]|5[1-9]|6[0-2])(?:0[1-9]|[12]\d|3[01])\d"
    r"[ ]?[A-Z9]{2}[\dA-Z][A-Z]{2}(?![\w-])"
)
PLAIN = cue("licen[cs]e")
ABOUT_DRIVING = cue(
    "driv\\w+|dmv|dvla|license number|licence number|licence no|license no|state id|führerschein|permis|dl"
)
MASKED = re.compile(r"[xX*-]+|\d{4}-\d{2}-\d{2}")


class DrivingLicenceRecognizer:
    """Covered: 5 to 19 letters and digits, four of them digits, behind `driver's license number`, `DL #`, `Führerschein
    Nr.`; British driver numbers.

    Not covered: other licences (`business license 12345`); a number without such a word.
    """

    entity = "DRIVING_LICENCE"
    hint = "(?i:licen|driver|dl ?#|dl no|permis de conduire|carnet de conducir|permiso de conducir)|[A-Z9]{5} ?[0-9]{6}"
    digits = 1

    def find(self, text: str) -> list[Span]:
        spans = [
            Span(m.start(), m.end(), self.entity, 0.85, "driving_licence")
            for m in UK.finditer(text)
            if sum(c == "9" for c in m.group()[:5]) < 5
        ]
        if holds_any(text.lower(), WORDS):
            spans += [span for m in NAMED.finditer(text) if (span := self._named(text, m))]
        return spans

    def _named(self, text: str, match: re.Match[str]) -> Span | None:
        said = text[match.start() : match.start(1)].lower()
        if MASKED.fullmatch(match.group(1)) or (
            PLAIN.match(said) and not ABOUT_DRIVING.search(before(text, match.start(), 40) + said)
        ):
            return None
        return Span(match.start(1), match.end(1), self.entity, 0.85, "driving_licence")
