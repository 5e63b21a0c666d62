"""Number plates of vehicles."""

import re

from ft_platform.privacy.context import before, cue, holds_any
from ft_platform.privacy.spans import Span

WORDS = ("plate", "registration", "kennzeichen", "vehicle reg", "reg no", "matrícula", "immatriculation", "targa")
NAMED = re.compile(
    r"(?<!\w)(?:licen[cs]e[ -]?plates?|number[ -]?plates?|plates?|(?:vehicle |car )?registration(?: mark"
    r"| plate)?|vehicle reg|reg|kennzeichen|matrícula|plaque d['’]immatriculation|immatriculation|targa)"
    r"(?:[ ]?(?:number|no\.?|nr\.?|#))?(?:\s*(?:is|was|ist|est|es|reads?|:|=|#)){0,2}\s*"
    r"((?=[A-ZÄÖÜ\d -]{0,9}\d)(?=[A-ZÄÖÜ\d -]{0,9}[A-ZÄÖÜ])[A-ZÄÖÜ\d]{1,4}(?:[ -]?[A-ZÄÖÜ\d]{1,5}){1,2})(?![\w-])",
)
# Driver and Vehicle Licensing Agency, INF104: area code, age identifier, three letters; I and Q are not used.
UK = re.compile(r"(?<![\w-])[A-HJ-PR-Y]{2}(?:0[1-9]|[1-7]\d)[ ][A-HJ-PR-Z]{3}(?![\w-])")
# Fahrzeug-Zulassungsverordnung, section 8: district, hyphen, one or two letters, one to four digits, E (electric) or H
# (historic).
DE = re.compile(r"(?<![\w-])[A-ZÄÖÜ]{1,3}-[A-Z]{1,2}[ ]?[1-9]\d{0,3}[EH]?(?![\w-])")
CUES = cue("plates?|car|vehicle|truck|van|parked|driv\\w+|kennzeichen|auto|wagen|registration|reg")


class LicencePlateRecognizer:
    """Covered: capitals and digits behind `license plate`, `registration number`, `Kennzeichen`; the British form `AB12
    CDE` and the German `B-AB 1234` near words such as `car`.

    Not covered: plates in small letters; plates of other countries without such a word.
    """

    entity = "LICENCE_PLATE"
    hint = (
        "(?i:plate|registration|kennzeichen|vehicle reg|reg no|immatriculation|targa)"
        "|[A-Z]{2}[0-9]{2} [A-Z]{3}|[A-Z]-[A-Z]{1,2} ?[1-9]"
    )
    digits = 1

    def find(self, text: str) -> list[Span]:
        spans = []
        if holds_any(text.lower(), WORDS):
            spans += [
                Span(m.start(1), m.end(1), self.entity, 0.8, "licence_plate")
                for m in NAMED.finditer(text)
                if not re.fullmatch(r"[X -]+", m.group(1))
            ]
        for pattern in (UK, DE):
            for match in pattern.finditer(text):
                score = 0.8 if CUES.search(before(text, match.start(), 50)) else 0.4
                spans.append(Span(match.start(), match.end(), self.entity, score, "licence_plate"))
        return spans
