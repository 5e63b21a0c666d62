"""Finds personal data in many texts: all recognizers, the built-in network, and another model where one is named."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ft_platform.privacy.casing import in_sentence_case
from ft_platform.privacy.entities import NER_ENTITIES, STRICT, Recognizer, all_recognizers, recognizers_of
from ft_platform.privacy.hints import Hints
from ft_platform.privacy.ner import load_ner
from ft_platform.privacy.ner.built_in import built_in
from ft_platform.privacy.ner.gate import Piece, name_in, pieces_to_read
from ft_platform.privacy.normalize import Normalized, normalize
from ft_platform.privacy.same_names import SameNames, names_in
from ft_platform.privacy.spans import Span, outside_pseudonyms, resolve
from ft_platform.use_case.settings.privacy import Privacy

CASED = frozenset({"PERSON", "LOCATION", "ADDRESS", "ORGANIZATION", "UNKNOWN_NAME"})
"""Entities that are told by their capitals: in a text in one case they are looked for in a copy with capitals."""

READ_TOGETHER = ("PERSON", "LOCATION")
"""Entities that the built-in network finds in one pass over all texts."""

KNOWN_PIECES = 50_000
"""Sentences whose findings are remembered in a run: form letters repeat them."""


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
        self._hints = Hints([r for entity, r in found.items() if entity not in READ_TOGETHER])
        self.kept = sorted(
            entity
            for entity, operator in privacy.operators.items()
            if operator == "keep" and entity in all_recognizers() and entity not in NER_ENTITIES
        )
        self._min_score = privacy.min_score
        self._places = "LOCATION" in self.entities
        names = not {*NER_ENTITIES}.isdisjoint(self.entities)
        self._built_in = built_in() if names else None
        self._ner = load_ner(privacy.ner, privacy.ner_model) if names else None
        self._gate = gate
        self._seen: dict[Piece, list[Span]] = {}

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Spans of each text that do not overlap, in order. A text's spans do not depend on the other texts."""
        read = [Normalized(text) for text in texts]
        found: list[list[Span]] = [[] for _ in texts]
        places = [place for place, may_hold in enumerate(self._hints.held_by(texts)) if may_hold]
        for place in places:
            read[place] = normalize(texts[place])
        for place, asked in zip(places, self._hints.asked([read[place] for place in places]), strict=True):
            found[place] = list(_matches(read[place], asked))
        if self._built_in:
            cased = [in_sentence_case(view.text) for view in read]
            for spans, names in zip(found, self._built_in.find(cased), strict=True):
                spans += [s for s in names if s.entity in self.entities]
        if self._ner:
            known = [[s for s in spans if s.score >= self._min_score] for spans in found]
            for spans, named in zip(found, self._named([view.text for view in read], known), strict=True):
                spans += named
        return [view.in_original(self._final(view.text, spans)) for view, spans in zip(read, found, strict=True)]

    def forget(self) -> None:
        """Lets go of remembered sentences, for measurements."""
        self._seen = {}

    def may_find(self, texts: Sequence[str]) -> list[bool]:
        """Whether anything can be found in each text, as far as that costs nearly nothing to tell."""
        return [True] * len(texts) if self._built_in or self._ner else self._hints.held_by(texts)

    def _final(self, text: str, spans: list[Span]) -> list[Span]:
        if not spans:
            return []
        confident = [s for s in spans if s.score >= self._min_score or s.entity in STRICT]
        confident += SameNames(names_in([(text, confident)])).find(text)
        kept = [s for e in self.kept for s in all_recognizers()[e].find(text) if s.score >= self._min_score]
        if kept:  # an address for mail that stays is not taken apart for the name in it
            confident = [
                s
                for s in confident
                if s.entity not in NER_ENTITIES or not any(k.start <= s.start and s.end <= k.end for k in kept)
            ]
        return resolve(text, outside_pseudonyms(text, confident))

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


def _matches(view: Normalized, recognizers: Sequence[Recognizer]) -> Iterator[Span]:
    for text in (view.text, view.as_digits) if view.as_digits else (view.text,):
        cased = in_sentence_case(text)
        for recognizer in recognizers:
            yield from recognizer.find(cased if recognizer.entity in CASED else text)
