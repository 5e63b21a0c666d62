"""Named-entity recognition: names of persons, places and organizations in free text. One file per engine, chosen by `privacy.ner`."""

from collections.abc import Sequence
from functools import cache
from typing import Protocol

from ft_platform.privacy.spans import Span


class Ner(Protocol):
    """Finds PERSON, LOCATION and ORGANIZATION in pieces of text. Equal pieces give equal spans, whatever the batch."""

    def find(self, pieces: Sequence[str]) -> list[list[Span]]: ...


@cache
def load_ner(name: str) -> Ner | None:
    """The engine `spacy`, loaded once per process, or None for `none`.

    Raises:
        MissingExtra: the engine's package is not installed.
    """
    if name == "none":
        return None
    from ft_platform.privacy.ner.spacy import SpacyNer

    return SpacyNer()
