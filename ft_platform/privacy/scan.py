"""Finds personal data in many texts: all recognizers, then named-entity recognition in batches."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ft_platform.privacy.entities import NER_ENTITIES, all_recognizers, chosen_entities
from ft_platform.privacy.names import looks_like_name
from ft_platform.privacy.ner import load_ner
from ft_platform.privacy.ner.gate import Piece, name_in, pieces_to_read
from ft_platform.privacy.spans import Span, resolve
from ft_platform.use_case import Privacy

KNOWN_PIECES = 50_000
"""Sentences whose findings are remembered in a run: form letters repeat them."""

MOST_NAMES = 500
"""Names of one text that are looked for again, the longest first: the time grows with names times characters."""

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
        kept = {entity for entity, operator in privacy.operators.items() if operator == "keep"}
        self.entities = [e for e in chosen_entities(privacy) if e not in kept]
        self._recognizers = [r for entity, r in all_recognizers().items() if entity in self.entities]
        self._min_score = privacy.min_score
        self._places = "LOCATION" in self.entities
        self._ner = load_ner(privacy.ner) if any(e in self.entities for e in NER_ENTITIES) else None
        self._gate = gate
        self._seen: dict[Piece, list[Span]] = {}

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Spans of each text that do not overlap, in order. A text's spans do not depend on the other texts."""
        found = [[s for r in self._recognizers for s in r.find(text)] for text in texts]
        if self._ner:
            for spans, named in zip(found, self._named(texts), strict=True):
                spans += named
        return [self._final(text, spans) for text, spans in zip(texts, found, strict=True)]

    def _final(self, text: str, spans: list[Span]) -> list[Span]:
        confident = [s for s in spans if s.score >= self._min_score]
        if "PERSON" in self.entities:
            confident += _same_names(text, [s for s in confident if s.entity == "PERSON"])
        if "<" in text:
            ours = [m.span() for m in PSEUDONYM.finditer(text)]
            confident = [s for s in confident if not any(a < s.end and s.start < b for a, b in ours)]
        return resolve(text, confident)

    def _named(self, texts: Sequence[str]) -> Iterator[list[Span]]:
        pieces = [list(pieces_to_read(text, self._places, self._gate)) for text in texts]
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
        part = name_in(piece, span.start, span.end, places=span.entity == "LOCATION")
        return replace(span, start=part[0], end=part[1]) if part else None


def _same_names(text: str, persons: list[Span]) -> list[Span]:
    """Other places where a name that was found, or one word of it, stands in the same text: `Mr Reed` after `Ann Reed`."""
    found = {name for name in (text[s.start : s.end] for s in persons) if any(c.isupper() for c in name)}
    words = {w for name in found if " " in name for w in re.findall(r"[^\W\d_]{3,}", name) if looks_like_name(w)}
    names = sorted(found | words, key=lambda name: (-len(name), name))[:MOST_NAMES]
    if not names:
        return []
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, names)) + r")(?!\w)")
    return [Span(m.start(), m.end(), "PERSON", 0.6, "same_name") for m in pattern.finditer(text)]
