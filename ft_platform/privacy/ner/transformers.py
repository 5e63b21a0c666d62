"""A token classification model of Hugging Face transformers, e.g. one trained on CoNLL-2003 or OntoNotes."""

import re
from collections.abc import Iterable, Sequence

from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.privacy.ner import hub_name
from ft_platform.privacy.spans import Span

PACKAGES = ("transformers", "torch")
# CoNLL-2003, WNUT-17, OntoNotes 5; names of persons as models for personal data call them.
ENTITIES = {
    **dict.fromkeys(("PER", "PERSON", "NAME", "FIRSTNAME", "LASTNAME", "MIDDLENAME", "GIVENNAME", "SURNAME"), "PERSON"),
    **dict.fromkeys(("LOC", "LOCATION", "GPE", "FAC", "CITY", "STATE", "COUNTY", "COUNTRY"), "LOCATION"),
    **dict.fromkeys(("ORG", "ORGANIZATION", "CORPORATION", "COMPANY"), "ORGANIZATION"),
}
OVERLAP = 64
"""Tokens that two windows of a long piece share, so that no name is cut."""
SPECIAL = 2
"""Tokens that the model puts around a window."""


class TransformersNer:
    """Pieces longer than the model reads are read in windows. Pieces are read one by one, because padding to another
    length changes the last bits of a score.

    Args:
        model: folder, or hub id `org/name` or `org/name@commit`, with weights in safetensors.

    Raises:
        ConfigError: it cannot be loaded, or no label of it is a person.
        MissingExtra: transformers is not installed.
    """

    def __init__(self, model: str) -> None:
        try:
            from transformers import AutoModelForTokenClassification, AutoTokenizer, TokenClassificationPipeline
        except ImportError:
            raise MissingExtra("transformers", "train") from None
        name, revision = hub_name(model)
        try:
            tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
            network = AutoModelForTokenClassification.from_pretrained(name, revision=revision, use_safetensors=True)
        except (OSError, ValueError) as error:
            problem = f"privacy.ner_model: {model} cannot be loaded ({type(error).__name__})"
            raise ConfigError(
                [problem], "Give a folder or hub id of a token classification model with weights in safetensors"
            ) from None
        self._entities = entities_of(model, network.config.id2label.values())
        limit = (
            min(
                tokenizer.model_max_length,
                getattr(network.config, "max_position_embeddings", None) or tokenizer.model_max_length,
            )
            - SPECIAL
        )
        tokenizer.model_max_length = limit
        self._pipeline = TokenClassificationPipeline(
            model=network,
            tokenizer=tokenizer,
            aggregation_strategy="first",
            stride=min(OVERLAP, limit // 4),
            batch_size=1,
        )

    def find(self, pieces: Sequence[str]) -> list[list[Span]]:
        texts = [piece for piece in pieces if piece.strip()]
        found = iter(self._pipeline(texts) if texts else [])
        return [list(self._spans(piece, next(found))) if piece.strip() else [] for piece in pieces]

    def _spans(self, piece: str, entities: Iterable[dict]) -> Iterable[Span]:
        for one in entities:
            entity = self._entities.get(one["entity_group"])
            text = piece[one["start"] : one["end"]]
            if entity and text.strip():
                start = (
                    one["start"] + len(text) - len(text.lstrip())
                )  # of some models a token holds the blank in front of it
                yield Span(start, one["end"], entity, round(float(one["score"]), 4), "transformers")


def entities_of(model: str, labels: Iterable[str]) -> dict[str, str]:
    """Label without its `B-` or `I-` -> our entity.

    Raises:
        ConfigError: none of them is a person.
    """
    plain = sorted({re.sub(r"^[BIESLU]-", "", label) for label in labels})
    found = {label: ENTITIES[name] for label in plain if (name := re.sub(r"[^A-Z]", "", label.upper())) in ENTITIES}
    if "PERSON" not in found.values():
        raise ConfigError(
            [f"privacy.ner_model: no label of {model} is a person, it has {', '.join(plain[:20])}"],
            "Choose a model for names",
        )
    return found


def engine(model: str | None) -> TransformersNer:
    if model is None:
        raise ConfigError(["privacy.ner: transformers needs privacy.ner_model"], "Give a folder or a hub id")
    return TransformersNer(model)
