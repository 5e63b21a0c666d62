"""Dates of birth."""

import re

from ft_platform.privacy.context import after, before, holds_any
from ft_platform.privacy.spans import Span

MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
    r"|januar|februar|märz|mai|juni|juli|oktober|dezember)\.?"
)
DATE = re.compile(
    rf"(?<![\w.,$/-])(?:\d{{1,2}}[/.-]\d{{1,2}}[/.-](?:\d{{4}}|\d{{2}})|(?:19|20)\d{{2}}[/.-]\d{{1,2}}[/.-]\d{{1,2}}"
    rf"|{MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+(?:19|20)\d{{2}}|\d{{1,2}}(?:st|nd|rd|th"
    rf"|\.)?\s+(?:of\s+)?{MONTH},?\s+(?:19|20)\d{{2}}|(?:0[1-9]|1[0-2])[0-3]\d(?:19|20)\d{{2}})(?![\w/-]|\.\d)",
    re.IGNORECASE,
)
UNITS = "one|two|three|four|five|six|seven|eight|nine"
TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
TEENS = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
DAY = (
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth"
    r"|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth"
    r"|(?:twenty|thirty)[- ](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|\d{1,2}(?:st|nd|rd|th))"
)
YEAR = (
    rf"(?:nineteen(?:[- ]hundred)?(?: and)?[- ](?:oh[- ])?(?:(?:{TENS})(?:[- ](?:{UNITS}))?|{TEENS}|{UNITS})"
    rf"|two thousand(?:(?: and)? (?:(?:{TENS})(?:[- ](?:{UNITS}))?|{TEENS}|{UNITS}))?"
    rf"|twenty[- ](?:twenty(?:[- ](?:{UNITS}))?|{TEENS})|(?:19|20)\d\d)"
)
SPELLED = re.compile(
    rf"(?<!\w)(?:{DAY}(?: day)?(?: of)? {MONTH},? (?:in )?{YEAR}"
    rf"|{MONTH} (?:the )?{DAY},? (?:in )?{YEAR})(?!\w)",
    re.IGNORECASE,
)
WORDS = ("born", "birth", "dob", "d.o.b", "geb", "nacimiento", "naissance", "né")
CUE_BEFORE = re.compile(
    r"(?<!\w)(?:born|dob|d\.o\.b\.?|date of birth|birth ?date|birth ?day|geboren|geb\.|geburtsdatum"
    r"|fecha de nacimiento|date de naissance|née?)(?!\w)[^.!?\n]{0,25}$"
)
CUE_AFTER = re.compile(
    r"^\s?[,(]?\s?(?:\(?dob\)?|is (?:my|his|her|the) (?:date of birth|dob|birth ?day)|date of birth)"
)


class DateOfBirthRecognizer:
    """Covered: numeric and written dates within 25 characters behind `born`, `DOB`, `date of birth`, `geboren` and the
    like; English dates in words too (`the third of March nineteen eighty`).

    Not counted: every other date, and masked ones (`XX/XX/1980`). Not covered: days in words of other languages,
    an age in words.
    """

    entity = "DATE_OF_BIRTH"
    hint = "(?i:born|birth|dob|d[.]o[.]b|geb|nacimiento|naissance)"

    def find(self, text: str) -> list[Span]:
        if not holds_any(text.lower(), WORDS):
            return []
        return [
            Span(m.start(), m.end(), self.entity, 0.85, "date_of_birth")
            for m in (*DATE.finditer(text), *SPELLED.finditer(text))
            if CUE_BEFORE.search(before(text, m.start(), 50)) or CUE_AFTER.match(after(text, m.end(), 40))
        ]
