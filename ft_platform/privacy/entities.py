"""The entities that can be named in `privacy.entities`, and the recognizers behind them, found by folder."""

import importlib
import pkgutil
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from typing import Protocol

from ft_platform.errors import ConfigError
from ft_platform.privacy import recognizers
from ft_platform.privacy.spans import Span
from ft_platform.use_case import Privacy

NER_ENTITIES = ("PERSON", "LOCATION")
"""What named-entity recognition finds. LOCATION has no recognizer of its own, so it is replaced only where it is named."""


class Recognizer(Protocol):
    """Finds one entity. Equal texts give equal spans."""

    entity: str

    def find(self, text: str) -> list[Span]: ...


@cache
def all_recognizers() -> dict[str, Recognizer]:
    """Entity -> its recognizer, one per file in `recognizers/`, in alphabetical order."""
    found: dict[str, Recognizer] = {}
    for module in pkgutil.iter_modules(recognizers.__path__):
        recognizer = _recognizer_in(f"{recognizers.__name__}.{module.name}")
        if recognizer.entity in found:
            raise ConfigError([f"{recognizers.__name__}.{module.name}: another recognizer has the entity {recognizer.entity} already"])
        found[recognizer.entity] = recognizer
    return dict(sorted(found.items()))


def _recognizer_in(name: str) -> Recognizer:
    module = importlib.import_module(name)
    classes = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == name and hasattr(c, "find") and hasattr(c, "entity")]
    if len(classes) != 1:
        raise ConfigError([f"{name} must hold exactly one class with `entity` and `find`, got {len(classes)}"])
    return classes[0]()


def entity_names() -> list[str]:
    """Every entity that `privacy.entities` and `privacy.operators` may name."""
    return sorted({*all_recognizers(), *NER_ENTITIES})


def chosen_entities(privacy: Privacy) -> list[str]:
    """The entities a use case looks for: those it names, or all that have a recognizer (all but LOCATION).

    Raises:
        ConfigError: a name is not an entity.
    """
    check_entities(privacy.entities)
    check_entities(privacy.operators)
    return sorted(set(privacy.entities)) or list(all_recognizers())


def check_entities(names: Iterable[str]) -> None:
    """Returns if every name is an entity.

    Raises:
        ConfigError: one problem per wrong name, with the closest right one, and the list of all.
    """
    known = entity_names()
    problems = []
    for name in names:
        if name not in known:
            close = get_close_matches(name.upper(), known, n=1)
            problems.append(f"privacy: {name!r} is not an entity{f', did you mean {close[0]}?' if close else ''}")
    if problems:
        raise ConfigError(problems, f"Entities are: {', '.join(known)}")
