"""Ages of persons."""

import re

from ft_platform.privacy.spans import Span

YEARS = r"(?:1[01]\d|[1-9]?\d)"
OLD = re.compile(
    rf"(?<![\w.,$/-])({YEARS})(?:[ -](?:years?|yrs?|year)[ -]?(?:old|of age)|[ -]?y/?o(?!\w)|[ ]Jahre alt|"
    r"[ ]ans(?!\w))",
    re.IGNORECASE,
)
NAMED = re.compile(
    r"(?<!\w)(?:aged?|age of|age is|age:|age =|turn(?:ed|s|ing)?|i am|i'm|he is|she is|he's|she's|was|when"
    rf" (?:he|she|i) was|be|at)[ ]+(?:just )?({YEARS})"
    rf"(?=[ ]+(?:years?|now|today|this|next|last|when|and)(?!\w)|\s*[.,;!?)\n]|\s*$)",
    re.IGNORECASE,
)
SURE = re.compile(r"(?:age|turn)", re.IGNORECASE)
BIRTHDAY = re.compile(rf"(?<!\w)({YEARS})(?:st|nd|rd|th)[ ]birthday", re.IGNORECASE)


class AgeRecognizer:
    """Covered: `34 years old`, `aged 34`, `turned 34`, `age: 34`, `34th birthday`. Looked for only where
    `privacy.entities` names AGE.

    Not covered: ages in words; a number alone.
    """

    entity = "AGE"
    digits = 1
    optional = True

    def find(self, text: str) -> list[Span]:
        spans = [
            Span(*m.span(1), self.entity, 0.8, "age") for pattern in (OLD, BIRTHDAY) for m in pattern.finditer(text)
        ]
        return spans + [
            Span(*m.span(1), self.entity, 0.75 if SURE.match(m.group()) else 0.4, "age") for m in NAMED.finditer(text)
        ]
