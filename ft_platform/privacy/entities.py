"""The entities that can be named in `privacy.entities`, and the recognizers behind them, found by folder."""

import importlib
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from typing import Protocol

from ft_platform.errors import ConfigError
from ft_platform.privacy.custom import custom_recognizers
from ft_platform.privacy.spans import Span
from ft_platform.use_case.settings.privacy import RECOGNIZERS, Privacy, entity_names

NER_ENTITIES = ("PERSON", "LOCATION", "ORGANIZATION")
"""What named-entity recognition finds besides the recognizers of these entities."""
STRICT = ("NUMBER", "UNKNOWN_NAME")
"""What `privacy.strictness: strict` looks for in addition."""


class Recognizer(Protocol):
    """Finds one entity. Equal texts give equal spans.

    A class attribute `hint = "@|://"` is an expression for RE2 that stands in every ASCII text in which something is
    found: other texts are not searched (`hints`). Without one, and without `digits`, all are.

    A class attribute `optional = True` leaves the entity out where `privacy.entities` is empty: it identifies nobody
    alone (an age, a company). A class attribute `digits = 9` says that a finding has nine digits or more in a row, with
    at most three separators between two of them: texts without so many are not searched.
    """

    entity: str

    def find(self, text: str) -> list[Span]: ...


@cache
def all_recognizers() -> dict[str, Recognizer]:
    """Entity -> its recognizer, one per file in `recognizers/`, in alphabetical order."""
    return {entity: _recognizer_of(entity) for entity in entity_names()}


def _recognizer_of(entity: str) -> Recognizer:
    name = f"{RECOGNIZERS}.{entity.lower()}"
    module = importlib.import_module(name)
    classes = [
        c
        for c in vars(module).values()
        if isinstance(c, type) and c.__module__ == name and hasattr(c, "find") and hasattr(c, "entity")
    ]
    if len(classes) != 1:
        raise ConfigError([f"{name} must hold exactly one class with `entity` and `find`, got {len(classes)}"])
    recognizer = classes[0]()
    if recognizer.entity != entity:
        raise ConfigError([f"{name} must find the entity {entity}, as its file is named, got {recognizer.entity}"])
    return recognizer


def default_entities() -> list[str]:
    """The entities that are looked for where `privacy.entities` is empty: all whose recognizer is not optional."""
    return [entity for entity, recognizer in all_recognizers().items() if not getattr(recognizer, "optional", False)]


def chosen_entities(privacy: Privacy) -> list[str]:
    """The entities a use case looks for: those it names, or all of the default that it does not leave out; what
    `strict` adds; and its own.

    Raises:
        ConfigError: a name is not an entity, or an entity of its own has the name of another one.
    """
    taken = sorted(set(privacy.custom) & set(entity_names()))
    if taken:
        raise ConfigError(
            [f"privacy.custom: {name} is an entity of the platform already" for name in taken],
            "Give yours another name",
        )
    check_entities([*privacy.entities, *privacy.operators, *privacy.left_out], privacy.custom)
    shipped = set(privacy.entities) or {*default_entities()} - {*privacy.left_out}
    return sorted({*shipped, *privacy.custom, *(STRICT if privacy.strictness == "strict" else ())})


def recognizers_of(privacy: Privacy) -> dict[str, Recognizer]:
    """Entity -> recognizer of every entity a use case looks for, but those it keeps.

    Raises:
        ConfigError: as `chosen_entities`.
    """
    known: dict[str, Recognizer] = {**all_recognizers(), **{r.entity: r for r in custom_recognizers(privacy)}}
    return {entity: known[entity] for entity in chosen_entities(privacy) if privacy.operators.get(entity) != "keep"}


def check_entities(names: Iterable[str], own: Iterable[str] = ()) -> None:
    """Returns if every name is an entity of the platform or one of the use case's `own`.

    Raises:
        ConfigError: one problem per wrong name, with the closest right one, and the list of all.
    """
    known = sorted({*entity_names(), *own})
    problems = []
    for name in names:
        if name not in known:
            close = get_close_matches(name.upper(), known, n=1)
            problems.append(f"privacy: {name!r} is not an entity{f', did you mean {close[0]}?' if close else ''}")
    if problems:
        raise ConfigError(problems, f"Entities are: {', '.join(known)}")
