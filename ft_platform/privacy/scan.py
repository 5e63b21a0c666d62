"""Finds personal data in many texts: all recognizers, then named-entity recognition in batches."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ft_platform.privacy.casing import is_in_capitals, truecase, with_known_names
from ft_platform.privacy.entities import NER_ENTITIES, recognizers_of
from ft_platform.privacy.names import looks_like_name
from ft_platform.privacy.ner import load_ner
from ft_platform.privacy.ner.gate import Piece, name_in, pieces_to_read
from ft_platform.privacy.normalize import normalize
from ft_platform.privacy.spans import Span, resolve
from ft_platform.settings.privacy import Privacy

CASED = frozenset({"PERSON", "LOCATION", "ADDRESS", "ORGANIZATION"})
"""Entities that are told by their capitals: in a text in one case they are looked for in a copy with capitals."""

KNOWN_PIECES = 50_000
"""Sentences whose findings are remembered in a run: form letters repeat them."""

MOST_NAMES = 500
"""Names of one text that are looked for again, the longest first: the time grows with names times characters."""

NAME_WORD = re.compile(r"[^\W\d_]{3,}")
DIGITS = re.compile(r"\d(?:[^\w]{0,3}\d)*")
"""Digits in a row: one pass that says which recognizers of numbers can find anything."""

PSEUDONYM = re.compile(r"<[A-Z][A-Z_]{1,40}(?:_[a-z2-7]{6,16})?>")
"""What this platform writes in place of a finding. Nothing is looked for inside."""


class Scanner:
    """Finds what a use case's `privacy` section asks for.

    Args:
        gate: False sends every sentence to named-entity recognition, to measure what the gate costs and saves.

    Raises:
        ConfigError: an entity or operator names no entity.
        MissingExtra: the package of `privacy.ner` is not installed.
    """

    def __init__(self, privacy: Privacy, gate: bool = True) -> None:
        found = recognizers_of(privacy)
        self.entities = list(found)
        self._recognizers = [(recognizer, getattr(recognizer, "digits", 0)) for recognizer in found.values()]
        self._min_score = privacy.min_score
        self._places = "LOCATION" in self.entities
        self._ner = load_ner(privacy.ner, privacy.ner_model) if any(e in self.entities for e in NER_ENTITIES) else None
        self._gate = gate
        self._seen: dict[Piece, list[Span]] = {}

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Spans of each text that do not overlap, in order. A text's spans do not depend on the other texts."""
        read = [normalize(text) for text in texts]
        found = [
            self._patterns(view.text) + (self._patterns(view.as_digits) if view.as_digits else []) for view in read
        ]
        if self._ner:
            known = [[s for s in spans if s.score >= self._min_score] for spans in found]
            for spans, named in zip(found, self._named([view.text for view in read], known), strict=True):
                spans += named
        return [view.in_original(self._final(view.text, spans)) for view, spans in zip(read, found, strict=True)]

    def forget(self) -> None:
        """Lets go of remembered sentences, for measurements."""
        self._seen = {}

    def _patterns(self, text: str) -> list[Span]:
        cased = truecase(text) if is_in_capitals(text) else with_known_names(text) if text.islower() else text
        digits = max((sum(map(str.isdigit, run)) for run in DIGITS.findall(text)), default=0)
        return [
            s for r, least in self._recognizers if digits >= least for s in r.find(cased if r.entity in CASED else text)
        ]

    def _final(self, text: str, spans: list[Span]) -> list[Span]:
        confident = [s for s in spans if s.score >= self._min_score]
        if "PERSON" in self.entities:
            confident += _same_names(text, [s for s in confident if s.entity == "PERSON"])
        if "<" in text:
            ours = [m.span() for m in PSEUDONYM.finditer(text)]
            confident = [s for s in confident if not any(a < s.end and s.start < b for a, b in ours)]
        return resolve(text, confident)

    def _named(self, texts: Sequence[str], known: Sequence[Sequence[Span]]) -> Iterator[list[Span]]:
        pieces = [
            list(pieces_to_read(text, self._places, spans, self._gate))
            for text, spans in zip(texts, known, strict=True)
        ]
        seen = self._read({piece: None for row in pieces for _, piece in row})
        for row in pieces:
            yield [span.moved(start) for start, piece in row for span in seen[piece]]

    def _read(self, pieces: Iterable[Piece]) -> dict[Piece, list[Span]]:
        """Findings by piece; the engine reads those that it has not read before."""
        assert self._ner
        if len(self._seen) > KNOWN_PIECES:
            self._seen = {}
        new = [p for p in pieces if p not in self._seen]
        for piece, spans in zip(new, self._ner.find([p.text for p in new]), strict=True):
            self._seen[piece] = [s for span in spans if (s := self._as_name(piece, span))]
        return self._seen

    def _as_name(self, piece: Piece, span: Span) -> Span | None:
        if span.entity not in self.entities:
            return None
        if span.entity == "ORGANIZATION":
            return span
        part = name_in(piece, span.start, span.end, places=span.entity == "LOCATION")
        return replace(span, start=part[0], end=part[1]) if part else None


def _same_names(text: str, persons: list[Span]) -> Iterator[Span]:
    """Other places where a name that was found, or one word of it, stands in the same text: `Mr Reed` after `Ann
    Reed`."""
    found = {name for name in (text[s.start : s.end] for s in persons) if any(c.isupper() for c in name)}
    words = {w for name in found if " " in name for w in NAME_WORD.findall(name) if looks_like_name(w)}
    for name in sorted(found | words, key=lambda name: (-len(name), name))[:MOST_NAMES]:
        start = text.find(name)
        while start >= 0:
            end = start + len(name)
            if not (_is_word(text[start - 1 : start]) or _is_word(text[end : end + 1])):
                yield Span(start, end, "PERSON", 0.6, "same_name")
            start = text.find(name, end)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
