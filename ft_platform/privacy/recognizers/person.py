"""Names of persons that a title, a greeting or an introduction gives away. Works without named-entity recognition."""

import re

from ft_platform.privacy.context import before
from ft_platform.privacy.name_runs import UPPER, WORD, Run, runs
from ft_platform.privacy.names import (
    MASK,
    ORGANIZATION,
    given_names,
    is_known_name,
    looks_like_name,
    name_words,
    word_set,
)
from ft_platform.privacy.spans import Span

PARTICLE = r"(?:de|da|do|dos|das|del|della|di|du|la|le|van|von|der|den|bin|ibn|ben|al|el|zu|ter|ten|te|af|av)"
# One to four capitalized words, with initials and particles between: `J. R. van der Berg`. `[ ]` only: a name stays on
# its line.
NAME = (
    rf"(?:{UPPER}\.?[ ]+|{PARTICLE}[ ]+){{0,2}}{WORD}(?:(?:[ ]+{UPPER}\.|[ ]+{UPPER}(?=[ ]+{UPPER}))?(?:"
    rf"[ ]+{PARTICLE}){{0,2}}[ ]+{WORD}){{0,3}}"
)
PARTICLES = re.compile(PARTICLE)
LOWER = r"[^\W\d_]{2,}(?:[ ]+[^\W\d_]{2,}){0,2}"

TITLE = re.compile(
    r"(?<![\w.])(?i:mr|mrs|ms|miss|mx|dr|herr|frau|fräulein|sr|sra|señora?|mme|monsieur|madame|mister|missus)\.?"
    rf"[ ]+({NAME})"
)
TITLE_LOWER = re.compile(rf"(?<![\w.])(?i:mr|mrs|ms)\.?[ ]+({LOWER})")
ROLE = re.compile(
    r"(?<![\w.])(?:Prof(?:essor)?|Judge|Officer|Attorney|Atty|Detective|Sergeant|Sgt|Captain|Capt|Lieutenant|Lt"
    r"|Reverend|Rev|Nurse|Senator|Sheriff|Uncle|Aunt|Sir)"
    rf"\.?[ ]+({NAME})"
)
INTRODUCED = re.compile(
    r"(?<!\w)(?i:my (?:full |real |legal |maiden )?name is|my name's|my names|name was|mein name ist|ich"
    r" hei(?:ß|ss)e|me llamo|je m'appelle|(?:full )?name[ ]?:"
    r"|(?:customer|account ?holder|patient|client|contact|borrower|representative|agent|supervisor|manager|signed|attn|attention|c/o|submitted"  # noqa: E501
    r" by)[ ]?[:,])"
    rf"[ \t]*({NAME})"
)
INTRODUCED_LOWER = re.compile(rf"(?<!\w)(?i:my (?:full |legal )?name is|my name's)[ ]+({LOWER})")
SPOKE = re.compile(
    r"(?<!\w)(?i:named|by the name of|this is|i am|i'm|spoke (?:with|to)|speaking (?:with|to)|talked (?:with|to)|ich"
    r" bin)[ ]+"
    rf"({WORD}(?:[ ]+{UPPER}\.)?[ ]+{NAME})"
)
GREETING = re.compile(
    rf"(?:^|\n|(?<=[.!?:] ))[ \t>]*(?:Dear|Hi|Hello|Hey|Hallo|Liebe|Lieber|Hola)[ ]+({NAME})(?=[ ]?[,!:.\n-])"
)
BELOW_CLOSING = re.compile(rf"\n[\s>]{{0,20}}({NAME})(?=[ \t]*(?:\n|$|,))")
CLOSING = re.compile(
    r"(?:regards|sincerely(?: yours)?|yours (?:truly|sincerely|faithfully)|respectfully|cheers|thanks|thank you|best"
    r" wishes|grüße|grüßen)[ ]*[,.!]?\s*$"
)
# `[A given name] [another capitalized word]`.
PAIR = re.compile(
    rf"(?<![\w.])({UPPER}[^\W\d_]{{2,}}(?:[ ]+{UPPER}\.?)?(?:[ ]+{PARTICLE}){{0,2}}[ ]+{WORD}(?:[ ]+{WORD})?)"
)
# `Faina D. Yefremova`: an initial between two capitalized words.
INITIAL = re.compile(rf"(?<![\w.])({WORD}[ ]+{UPPER}\.?[ ]+{WORD}(?:[ ]+{WORD})?)(?!\w)")
# Two or three capitalized words in a row: a name if each looks like one and nothing names an organization.
CAPITALS = re.compile(rf"(?<![\w.'’-])({WORD}[ ]+{WORD}(?:[ ]+{WORD})?)(?![\w'’-])")
GIVEN = re.compile(rf"(?<![\w.])({UPPER}[^\W\d_]{{2,}})(?!\w|['’](?!s(?!\w)))")
CAPITALS_BEHIND = re.compile(rf"(?:[ ]+{WORD}){{1,3}}")
LOWER_WORD = re.compile(r"(?<![\w.@'’-])([^\W\d_]{3,})(?:-[^\W\d_]+)?(?=[ ]+[^\W\d_]{3})")
LOWER_PAIR = re.compile(r"([^\W\d_]+(?:-[^\W\d_]+)?[ ]+[^\W\d_]{3,}(?:-[^\W\d_]+)?)(?![\w'’@])")
NO_PERSONS = word_set("""
the a an i my your our his her their this that it we you he she they in on at to for from by with and or but so if when
what who how why
""")
IN_A_ROW = ((INITIAL, 0.6), (CAPITALS, 0.5))
"""Pattern and score: they ask for two capitalized words in a row."""
LOWER_CASE = (TITLE_LOWER, INTRODUCED_LOWER, LOWER_PAIR)
AT_LEAST = {SPOKE: 2, PAIR: 2, CAPITALS: 2, LOWER_PAIR: 2}
"""Fewest words that look like names, where the words in front say little."""

# Cues around a run of capitalized words (lower-cased). Behind a sure one even an everyday word is a name: `maiden name
# is Price`.
SURE_BEFORE = re.compile(
    r"(?:(?:maiden|last|first|middle|family|given|birth|full|legal|real|nick|sur)[ -]?names?(?: is"
    r"| was| are|\?|:| of| =)?|(?:my|his|her|their) name(?: is|'s|:)|nickname(?: is)?"
    r"|(?:is|was|were|are|be|been|gets?|got|people|everyone|they|also) (?:called|named"
    r"|nicknamed)|(?:call|calls|called|named) (?:me|him|her|them)|(?:known|addressed) as|goes by"
    r"|starring|directed by|written by|produced by|screenplay by|sung by|performed by"
    r"|painted by|featuring|founders?:|authors?:|cast:|directed by:|name on (?:the )?card:?(?:\s+\w\.?){0,2})\s+(?:the"
    r" )?\"?$"
    # Fields of forms and JSON: `"lastName": "`, `customer_name=`.
    r"|(?:first|last|middle|full|family|given|maiden|sur|birth|customer|client|patient|contact|account|holder|owner|recipient|sender|employee)"
    r"[ _-]?name[\"']?\s*[:=]\s*[\"']?$"
)
ROLES = (
    r"kids?|child(?:ren)?|sons?|daughters?|babies|baby|wife|husband|spouse|partner|boyfriend|girlfriend|fianc[eé]+|ex|brothers?|sisters?|siblings?|mother|father|mom|mum|dad|parents?"
    r"|grand(?:mother|father|ma|pa|son|daughter)|uncle|aunt|auntie|cousins?|nephew|niece|friends?|buddy|roommate|neighbou?rs?|boss|supervisor|manager|colleagues?|co-?workers?"
    r"|assistant|secretary|agent|rep|representative|lawyer|attorney|teacher|professor|doctor|nurse|therapist|patient|client|customer|tenant|landlord|landlady|employee|contractor"
    r"|founders?|co-?founders?|ceo|cto|cfo|president|chairman|producer|director|singer|drummer|guitarist|actor|actress|author|writer|artist|painter|composer|rapper|frontman|player|coach"
    r"|captain|reporter|journalist|commenter|blogger|host|speaker|beneficiary|guardian|heir|witness|defendant|plaintiff|victim|suspect|queen|king|prince|princess|saint|ex-[a-z]+"
)
OWN_ROLE_BEFORE = re.compile(rf"(?<!\w)(?:my|his|her|our|their|your)[ ]+(?:{ROLES}),?[ ]+$")
ROLE_BEFORE = re.compile(rf"(?<![\w-])(?:{ROLES})(?:[ ]+(?:is|was|named|called))?[,:]?[ ]+$")
ROLE_WORD = re.compile(ROLES)
SPEECH_BEFORE = re.compile(
    r"(?<!\w)(?:said|says|asked|asks|replied|shouted(?: at)?|yelled(?: at)?|whispered(?: to)?"
    r"|answered|laughed|smiled at|told|tell|met(?: with)?|meet(?: with)?|married|kissed|hugged"
    r"|spoke (?:with|to)|speak(?:ing)? (?:with|to)|talk(?:ed|ing)? (?:with|to)"
    r"|follow up with|remember me,|love you,|signed by|sincerely|regards|hugs|love),?[ ]+$"
)
NEAR_BEFORE = re.compile(
    r"(?<!\w)(?:with|by|for|about|and|or|to|from|of|than|like|let|ask|asking|call|calling|contact"
    r"|email|emailed|thanks|thank you|between|him and|her and|under|give|gave|given|sent|add|remove"
    r"|is|was|me,|you,|as|because|that|but|heard|hear|seen|saw|see|know|knew|via|attn:?|cc:?|tell)[ ]+\"?$"
)
SURE_AFTER = re.compile(
    rf"^(?:['’]s)?[ ]+(?:{ROLES})(?!\w)"
    r"|^[ ]+(?:shouted|yelled|smiled|laughed|nodded|whispered|cried|sighed|married|divorced"
    r"|died|was born|grew up|graduated|retired|replied|fell in love|had given|jr\b|sr\b"
    r"|(?:will be |is |was )?(?:talking|speaking|singing|dancing|smiling|crying|sleeping)(?!\w)|is (?:my"
    r"|his|her|a very|a good|a nice|an? \d{1,3}[- ]years?|an? \w+ (?:person|man|woman|boy|girl)))"
)
NEAR_AFTER = re.compile(
    r"^(?:['’]s)?,?[ ]+(?:said|says|asked|told|explained|thinks?|thought|wants?|wanted|wrote"
    r"|lives?|lived|works?|worked|went|came|comes|left|has|had|have|is|was|will|would|can|could|did"
    r"|does|speak|and i|called|calls|likes?|loves?|knows?|took|got|who|whose|points out|point(?:s|ed)? out|to)(?!\w)"
)
DIALOGUE = re.compile(rf"(?:^|\n)[ \t>]*({WORD}(?:[ ]+{WORD})?)[ ]?:[ ]+(?=\S)")
LETTERS = re.compile(r"[^\W\d_]+")
LISTED = re.compile(r"[ ]*(?:,|,?[ ]+(?:and|or|&|und|y|et))[ ]+")

ROLE_TITLES = """
prof professor judge officer attorney atty detective sergeant sgt captain capt lieutenant lt reverend rev nurse senator
sheriff uncle aunt sir
"""
INTRODUCTIONS = """
name names customer accountholder holder patient client contact borrower representative agent supervisor manager signed
attn attention o submitted llamo heiße heisse appelle
"""
HINTED = (
    (TITLE, 0.9, "mr mrs ms miss mx dr herr frau fräulein sr sra señor señora mme monsieur madame mister missus"),
    (TITLE_LOWER, 0.8, "mr mrs ms"),
    (ROLE, 0.7, ROLE_TITLES),
    (GREETING, 0.7, "dear hi hello hey hallo liebe lieber hola"),
    (INTRODUCED, 0.8, INTRODUCTIONS),
    (INTRODUCED_LOWER, 0.8, "name"),
    (SPOKE, 0.8, "named name this am m spoke speaking talked bin"),
)
"""Pattern, score, words: it is tried only in texts that hold one of its words. `o` is that of `c/o`, `m` that of
`i'm`."""
HINT_WORDS = tuple((pattern, score, word_set(words)) for pattern, score, words in HINTED)
ALL_HINTS = frozenset(word for _, _, words in HINT_WORDS for word in words)


class PersonRecognizer:
    """Covered: names behind `Mr`, `Dr.`, `Frau`, `my name is`, `Name:`, `spoke with`; after `Dear`; below `Regards,`; a
    known given name alone or in front of a capitalized word; two capitalized words that are no everyday words, or
    around an initial; lower case behind `my name is` and `mr`, or a known given name in front of a word that is no
    everyday word.

    Not covered: a single name without any of these; named-entity recognition finds most of them.
    """

    entity = "PERSON"

    def find(self, text: str) -> list[Span]:
        lowered = text.lower()
        words = set(LETTERS.findall(lowered))
        spans: list[Span] = []
        if not ALL_HINTS.isdisjoint(words):
            for pattern, score, hints in HINT_WORDS:
                if not hints.isdisjoint(words):
                    spans += [s for m in pattern.finditer(text) if (s := self._span(text, m, score))]
        if "xx" in lowered or any(len(run.words) > 1 for run in runs(text)):
            spans += [
                s for pattern, score in IN_A_ROW for m in pattern.finditer(text) if (s := self._span(text, m, score))
            ]
        spans += self._in_runs(text)
        closings = (m for m in BELOW_CLOSING.finditer(text) if CLOSING.search(before(text, m.start(), 30)))
        spans += [s for m in closings if (s := self._span(text, m, 0.8))]
        if not given_names().isdisjoint(words):
            spans += self._with_given_names(text)
        return spans

    def _in_runs(self, text: str) -> list[Span]:
        """Names that words around a run of capitalized words give away, and the others of a list that one of them
        stands in."""
        scored = [(run, self._score(text, run)) for run in runs(text)]
        spans: list[Span] = []
        previous_end, in_list = -1, False
        for position, (run, score) in enumerate(scored):
            follows = previous_end >= 0 and LISTED.fullmatch(text, previous_end, run.start) is not None
            leads = any(
                LISTED.fullmatch(text, run.end, later.start)
                for later, later_score in scored[position + 1 : position + 2]
                if later_score >= 0.7
            )
            if (
                score < 0.5
                and run.names
                and ((follows and in_list) or leads)
                and not ORGANIZATION.search(text, run.start, min(len(text), run.end + 12))
            ):
                score = 0.6
            if score >= 0.3:
                start, end = run.named() if run.names else (run.start, run.end)
                spans.append(Span(start, end, self.entity, score, "person"))
            previous_end, in_list = run.end, score >= 0.6
        return spans + self._speakers(text)

    @staticmethod
    def _score(text: str, run: Run) -> float:
        """How sure a run is a person, in [0, 1]."""
        if (
            not (run.names or run.before)
            or run.words[0][2].lower() in NO_PERSONS
            or ORGANIZATION.search(text, run.start, min(len(text), run.end + 20))
        ):
            return 0.0
        if SURE_BEFORE.search(run.before) and len(run.words) <= 4:
            return 0.75
        if not run.names:
            return 0.65 if OWN_ROLE_BEFORE.search(run.before) and len(run.words) < 3 else 0.0
        if run.names[0] > 1:
            return 0.0
        if run.names[0] == 1 and ROLE_WORD.fullmatch(run.words[0][2].lower()):
            return 0.7
        if ROLE_BEFORE.search(run.before) or SPEECH_BEFORE.search(run.before) or SURE_AFTER.match(run.after):
            return 0.7
        if run.has_known_name():
            if NEAR_BEFORE.search(run.before) or (NEAR_AFTER.match(run.after) and len(run.words) <= 3):
                return 0.55
            return 0.45 if len(run.words) == 1 else 0.5
        return 0.3 if NEAR_AFTER.match(run.after) or NEAR_BEFORE.search(run.before) else 0.0

    def _speakers(self, text: str) -> list[Span]:
        """`Anna: ...` at the start of a line; a name that is not known counts in a dialogue with one that is."""
        if ":" in text:
            lines = [m for m in DIALOGUE.finditer(text) if all(looks_like_name(w) for w in m.group(1).split())]
        else:
            lines = []
        is_dialogue = any(is_known_name(m.group(1)) for m in lines) and len(lines) > 1
        return [
            Span(*m.span(1), self.entity, 0.65, "person")
            for m in lines
            if is_dialogue or is_known_name(m.group(1).split()[0])
        ]

    def _with_given_names(self, text: str) -> list[Span]:
        spans = [
            s for m in GIVEN.finditer(text) if m.group(1).lower() in given_names() and (s := self._span(text, m, 0.5))
        ]
        spans += [s for m in PAIR.finditer(text) if (s := self._span(text, m, 0.6))]
        # `gareth shimizu`: a known given name and a word that is no everyday word, both in lower case.
        starts = (m.start() for m in LOWER_WORD.finditer(text) if m.group(1).islower() and m.group(1) in given_names())
        return spans + [
            s for start in starts if (m := LOWER_PAIR.match(text, start)) and (s := self._span(text, m, 0.6))
        ]

    def _span(self, text: str, match: re.Match[str], score: float) -> Span | None:
        """The part of a match that is a name, or None: an everyday word is a name only right behind a title (`Mr.
        Price`)."""
        start, end = match.span(1)
        words = list(re.finditer(r"\S+", text[start:end]))
        texts = [w.group().rstrip(".") for w in words]
        is_lower = match.re in LOWER_CASE
        names = name_words([w.capitalize() if is_lower else w for w in texts])
        if match.re is TITLE and not MASK.search(texts[0]) and 0 not in names:
            names.insert(0, 0)
        sure = match.re not in (PAIR, GIVEN) or (names and texts[names[0]].lower() in given_names())
        if match.re is CAPITALS and (
            len(names) < len(words) or match.group(1).isupper() or ORGANIZATION.search(text, start, end + 20)
        ):
            return None
        if match.re is GIVEN and (behind := CAPITALS_BEHIND.match(text, end)) and ORGANIZATION.search(behind.group()):
            return None
        if (
            not names
            or len(names) < AT_LEAST.get(match.re, 1)
            or not sure
            or (names[0] > 0 and (is_lower or match.re is INITIAL))
        ):
            return None
        last = names[0]
        for index in range(names[0] + 1, len(words)):
            if index in names or (len(texts[index]) == 1 and texts[index].isupper() and not MASK.search(texts[index])):
                last = index
            elif not PARTICLES.fullmatch(texts[index]):
                break
        tail = text[start:end][words[last].start() : words[last].end()]
        return Span(
            start + words[names[0]].start(),
            start + words[last].end() - (len(tail) - len(tail.rstrip("."))),
            self.entity,
            score,
            "person",
        )
