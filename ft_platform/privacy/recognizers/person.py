"""Names of persons that a title, a greeting or an introduction gives away. Works without named-entity recognition."""

import re

from ft_platform.privacy.context import before
from ft_platform.privacy.names import MASK, ORGANIZATION, given_names, name_words
from ft_platform.privacy.spans import Span

UPPER = r"[^\W\d_a-zß-öø-ÿ]"
WORD = rf"{UPPER}(?:[^\W\d_]+(?:['’-][^\W\d_]+)*|['’][^\W\d_]+(?:-[^\W\d_]+)*)"
PARTICLE = r"(?:de|da|dos|del|della|di|la|le|van|von|der|den|bin|al|el|zu|ter)"
# One to four capitalized words, with initials and particles between: `J. R. van der Berg`. `[ ]` only: a name stays on its line.
NAME = rf"(?:{UPPER}\.?[ ]+|{PARTICLE}[ ]+){{0,2}}{WORD}(?:(?:[ ]+{UPPER}\.|[ ]+{UPPER}(?=[ ]+{UPPER}))?(?:[ ]+{PARTICLE}){{0,2}}[ ]+{WORD}){{0,3}}"
PARTICLES = re.compile(PARTICLE)
LOWER = r"[^\W\d_]{2,}(?:[ ]+[^\W\d_]{2,}){0,2}"

TITLE = re.compile(rf"(?<![\w.])(?i:mr|mrs|ms|miss|mx|dr|herr|frau|fräulein|sr|sra|señora?|mme|monsieur|madame|mister|missus)\.?[ ]+({NAME})")
TITLE_LOWER = re.compile(rf"(?<![\w.])(?i:mr|mrs|ms)\.?[ ]+({LOWER})")
ROLE = re.compile(
    r"(?<![\w.])(?:Prof(?:essor)?|Judge|Officer|Attorney|Atty|Detective|Sergeant|Sgt|Captain|Capt|Lieutenant|Lt|Reverend|Rev|Nurse|Senator|Sheriff|Uncle|Aunt|Sir)"
    rf"\.?[ ]+({NAME})"
)
INTRODUCED = re.compile(
    r"(?<!\w)(?i:my (?:full |real |legal |maiden )?name is|my name's|my names|name was|mein name ist|ich hei(?:ß|ss)e|me llamo|je m'appelle|(?:full )?name[ ]?:"
    r"|(?:customer|account ?holder|patient|client|contact|borrower|representative|agent|supervisor|manager|signed|attn|attention|c/o|submitted by)[ ]?[:,])"
    rf"[ \t]*({NAME})"
)
INTRODUCED_LOWER = re.compile(rf"(?<!\w)(?i:my (?:full |legal )?name is|my name's)[ ]+({LOWER})")
SPOKE = re.compile(
    r"(?<!\w)(?i:named|by the name of|this is|i am|i'm|spoke (?:with|to)|speaking (?:with|to)|talked (?:with|to)|ich bin)[ ]+"
    rf"({WORD}(?:[ ]+{UPPER}\.)?[ ]+{NAME})"
)
GREETING = re.compile(rf"(?:^|\n|(?<=[.!?:] ))[ \t>]*(?:Dear|Hi|Hello|Hey|Hallo|Liebe|Lieber|Hola)[ ]+({NAME})(?=[ ]?[,!:.\n-])")
BELOW_CLOSING = re.compile(rf"\n[\s>]{{0,20}}({NAME})(?=[ \t]*(?:\n|$|,))")
CLOSING = re.compile(
    r"(?:regards|sincerely(?: yours)?|yours (?:truly|sincerely|faithfully)|respectfully|cheers|thanks|thank you|best wishes|grüße|grüßen)[ ]*[,.!]?\s*$"
)
# `[A given name] [another capitalized word]`.
PAIR = re.compile(rf"(?<![\w.])({UPPER}[^\W\d_]{{2,}}(?:[ ]+{UPPER}\.?)?(?:[ ]+{PARTICLE}){{0,2}}[ ]+{WORD}(?:[ ]+{WORD})?)")
# `Faina D. Yefremova`: an initial between two capitalized words.
INITIAL = re.compile(rf"(?<![\w.])({WORD}[ ]+{UPPER}\.?[ ]+{WORD}(?:[ ]+{WORD})?)(?!\w)")
# Two or three capitalized words in a row: a name if each looks like one and nothing names an organization.
CAPITALS = re.compile(rf"(?<![\w.'’-])({WORD}[ ]+{WORD}(?:[ ]+{WORD})?)(?![\w'’-])")
GIVEN = re.compile(rf"(?<![\w.])({UPPER}[^\W\d_]{{2,}})(?!\w|['’](?!s(?!\w)))")
LOWER_WORD = re.compile(r"(?<![\w.@'’-])([^\W\d_]{3,})(?:-[^\W\d_]+)?(?=[ ]+[^\W\d_]{3})")
LOWER_PAIR = re.compile(r"([^\W\d_]+(?:-[^\W\d_]+)?[ ]+[^\W\d_]{3,}(?:-[^\W\d_]+)?)(?![\w'’@])")
PATTERNS = ((TITLE, 0.9), (ROLE, 0.7), (GREETING, 0.7), (INITIAL, 0.6), (CAPITALS, 0.5))
LOWER_CASE = (TITLE_LOWER, INTRODUCED_LOWER, LOWER_PAIR)
AT_LEAST = {SPOKE: 2, PAIR: 2, CAPITALS: 2, LOWER_PAIR: 2}
"""Fewest words that look like names, where the words in front say little."""

INTRODUCED_HINTS = """
name customer holder patient client contact borrower representative agent supervisor manager signed attn attention c/o submitted
llamo heiße heisse appelle
"""
HINTS = {
    TITLE_LOWER: ("mr", "ms"),
    INTRODUCED: tuple(INTRODUCED_HINTS.split()),
    INTRODUCED_LOWER: ("my ",),
    SPOKE: ("named", "name of", "this is", "i am", "i'm", "spoke", "speaking", "talked", "ich bin"),
}
"""A pattern is tried only in texts that hold one of its words."""


class PersonRecognizer:
    """Covered: names behind `Mr`, `Dr.`, `Frau`, `my name is`, `Name:`, `spoke with`; after `Dear`; below `Regards,`; a known given name alone or in front of
    a capitalized word; two capitalized words that are no everyday words, or around an initial; lower case behind `my name is` and `mr`, or a known given
    name in front of a word that is no everyday word.

    Not covered: a single name without any of these; named-entity recognition finds most of them.
    """

    entity = "PERSON"

    def find(self, text: str) -> list[Span]:
        lowered = text.lower()
        spans = [s for pattern, score in PATTERNS for m in pattern.finditer(text) if (s := self._span(text, m, score))]
        for pattern, hints in HINTS.items():
            if any(hint in lowered for hint in hints):
                spans += [s for m in pattern.finditer(text) if (s := self._span(text, m, 0.8))]
        closings = (m for m in BELOW_CLOSING.finditer(text) if CLOSING.search(before(text, m.start(), 30)))
        spans += [s for m in closings if (s := self._span(text, m, 0.8))]
        if not given_names().isdisjoint(re.findall(r"[^\W\d_]+", lowered)):
            spans += self._with_given_names(text)
        return spans

    def _with_given_names(self, text: str) -> list[Span]:
        spans = [s for m in GIVEN.finditer(text) if m.group(1).lower() in given_names() and (s := self._span(text, m, 0.5))]
        spans += [s for m in PAIR.finditer(text) if (s := self._span(text, m, 0.6))]
        # `gareth shimizu`: a known given name and a word that is no everyday word, both in lower case.
        starts = (m.start() for m in LOWER_WORD.finditer(text) if m.group(1).islower() and m.group(1) in given_names())
        return spans + [s for start in starts if (m := LOWER_PAIR.match(text, start)) and (s := self._span(text, m, 0.6))]

    def _span(self, text: str, match: re.Match[str], score: float) -> Span | None:
        """The part of a match that is a name, or None: an everyday word is a name only right behind a title (`Mr. Price`)."""
        start, end = match.span(1)
        words = list(re.finditer(r"\S+", text[start:end]))
        texts = [w.group().rstrip(".") for w in words]
        is_lower = match.re in LOWER_CASE
        names = name_words([w.capitalize() if is_lower else w for w in texts])
        if match.re is TITLE and not MASK.search(texts[0]) and 0 not in names:
            names.insert(0, 0)
        sure = match.re not in (PAIR, GIVEN) or (names and texts[names[0]].lower() in given_names())
        if match.re is CAPITALS and (len(names) < len(words) or match.group(1).isupper() or ORGANIZATION.search(text, start, end + 20)):
            return None
        if not names or len(names) < AT_LEAST.get(match.re, 1) or not sure or (names[0] > 0 and (is_lower or match.re is INITIAL)):
            return None
        last = names[0]
        for index in range(names[0] + 1, len(words)):
            if index in names or (len(texts[index]) == 1 and texts[index].isupper() and not MASK.search(texts[index])):
                last = index
            elif not PARTICLES.fullmatch(texts[index]):
                break
        tail = text[start:end][words[last].start() : words[last].end()]
        return Span(start + words[names[0]].start(), start + words[last].end() - (len(tail) - len(tail.rstrip("."))), self.entity, score, "person")
