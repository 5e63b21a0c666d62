"""What a recognizer finds, and how findings that overlap become a list that does not."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter

PSEUDONYM = re.compile(r"<[A-Z][A-Z_]{1,40}(?:_[a-z2-7]{6,16})?>")
"""What this platform writes in place of a finding. Nothing is looked for inside."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text that is personal data.

    Attributes:
        start, end: offsets in characters, `text[start:end]`.
        entity: what it is, e.g. `IBAN`.
        score: confidence in [0, 1].
        recognizer: name of what found it, e.g. `iban` or `spacy`.
    """

    start: int
    end: int
    entity: str
    score: float
    recognizer: str

    def moved(self, offset: int) -> "Span":
        """The same finding in a text that has `offset` more characters in front."""
        return replace(self, start=self.start + offset, end=self.end + offset)


def resolve(text: str, spans: Iterable[Span]) -> list[Span]:
    """Spans without overlaps, in the order of the text.

    The longest wins, then the highest score, then the earlier one and the entity's name, so the result does not depend
    on the order of the recognizers. Words that a loser covers beyond the winner stay covered by a span of the loser's
    entity: nothing that was found is left in the text.
    """
    result: list[Span] = []
    for cluster in _clusters(spans):
        if len(cluster) == 1:
            result += cluster
            continue
        kept: list[Span] = []
        for span in sorted(cluster, key=lambda s: (s.start - s.end, -s.score, s.start, s.entity, s.recognizer)):
            kept += _uncovered(text, span, kept)
        result += sorted(kept, key=attrgetter("start"))
    return result


def _clusters(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Groups of spans that overlap, directly or through others: only these have to be compared with one another."""
    cluster: list[Span] = []
    end = -1
    for span in sorted(spans, key=attrgetter("start", "end")):
        if cluster and span.start >= end:
            yield cluster
            cluster = []
        cluster.append(span)
        end = max(end, span.end) if len(cluster) > 1 else span.end
    if cluster:
        yield cluster


def _uncovered(text: str, span: Span, kept: list[Span]) -> list[Span]:
    """The parts of `span` that no span in `kept` covers, without blanks and punctuation around them."""
    parts = [(span.start, span.end)]
    for other in kept:
        if other.start < span.end and span.start < other.end:
            parts = [p for a, b in parts for p in ((a, min(b, other.start)), (max(a, other.end), b)) if p[0] < p[1]]
    if parts == [(span.start, span.end)]:
        return [span]
    return [replace(span, start=a, end=b) for part in parts for a, b in [_trimmed(text, *part)] if a < b]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and not text[start].isalnum():
        start += 1
    while start < end and not text[end - 1].isalnum():
        end -= 1
    return start, end


def outside_pseudonyms(text: str, spans: list[Span]) -> list[Span]:
    """Without findings inside of what this platform has written."""
    if "<" not in text:
        return spans
    ours = [m.span() for m in PSEUDONYM.finditer(text)]
    return [s for s in spans if not any(a < s.end and s.start < b for a, b in ours)]
