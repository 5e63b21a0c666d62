"""A GLiNER model (Zaratiana et al. 2023, arXiv:2311.08526): a bidirectional encoder that is told in words what to
find."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.privacy.ner import hub_name
from ft_platform.privacy.spans import Span

PACKAGES = ("gliner", "torch")
ENTITIES = {"person": "PERSON", "location": "LOCATION", "organization": "ORGANIZATION"}
"""What the model is asked for -> our entity."""
LEAST_SCORE = 0.3
"""What the model returns at all; `privacy.min_score` decides."""
WORD = re.compile(r"\w+(?:[-_]\w+)*|\S")
"""A word as the model counts it."""
OVERLAP = 32
"""Words that two windows of a long piece share, so that no name is cut. The model would leave out what is too long,
with a warning only."""


class GlinerNer:
    """Pieces with more words than the model reads (`max_len`, mostly 384) are read in windows, one window at a time,
    because padding to another length changes the last bits of a score.

    Args:
        model: folder, or hub id `org/name` or `org/name@commit`.

    Raises:
        ConfigError: it cannot be loaded.
        MissingExtra: gliner is not installed.
    """

    def __init__(self, model: str) -> None:
        try:
            from gliner import GLiNER  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]
        except ImportError:
            raise MissingExtra("gliner", "gliner") from None
        name, revision = hub_name(model)
        try:
            self._model = GLiNER.from_pretrained(name, revision=revision)
        except (OSError, ValueError) as error:
            problem = f"privacy.ner_model: {model} cannot be loaded ({type(error).__name__})"
            raise ConfigError([problem], "Give a folder or hub id of a GLiNER model") from None
        self._most_words = int(self._model.config.max_len)

    def find(self, pieces: Sequence[str]) -> list[list[Span]]:
        found: list[list[Span]] = [[] for _ in pieces]
        windows = [
            (place, *window) for place, piece in enumerate(pieces) for window in windows_of(piece, self._most_words)
        ]
        results = (
            self._model.inference([text for _, _, text in windows], list(ENTITIES), threshold=LEAST_SCORE, batch_size=1)
            if windows
            else []
        )
        for (place, start, _), entities in zip(windows, results, strict=True):
            found[place] += [
                Span(start + e["start"], start + e["end"], ENTITIES[e["label"]], round(float(e["score"]), 4), "gliner")
                for e in entities
            ]
        return [list(_best(spans)) for spans in found]


def windows_of(piece: str, most_words: int) -> Iterator[tuple[int, str]]:
    """Parts of at most so many words, each with the place where it starts; neighbours share `OVERLAP` words. None for a
    piece without words."""
    words = [m.span() for m in WORD.finditer(piece)]
    step = max(1, most_words - OVERLAP)
    for first in range(0, max(1, len(words) - OVERLAP), step) if words else ():
        part = words[first : first + most_words]
        yield part[0][0], piece[part[0][0] : part[-1][1]]


def _best(spans: Sequence[Span]) -> Iterator[Span]:
    """Each place and entity once, with its highest score: what two windows found in the words they share."""
    for _, same in groupby(
        sorted(spans, key=lambda s: (s.start, s.end, s.entity, -s.score)), key=lambda s: (s.start, s.end, s.entity)
    ):
        yield next(same)


def engine(model: str | None) -> GlinerNer:
    if model is None:
        raise ConfigError(["privacy.ner: gliner needs privacy.ner_model"], "Give a folder or a hub id")
    return GlinerNer(model)
