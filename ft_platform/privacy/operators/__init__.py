"""What replaces a finding. One file per operator, found by folder; `privacy.operators` names one per entity."""

import importlib
import pkgutil
from functools import cache
from typing import Protocol

from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.use_case.settings.privacy import Privacy


class Operator(Protocol):
    """Replaces findings. Equal arguments give equal replacements, in every process."""

    reversible: bool
    """Whether the replacement stands for one original, so that the vault keeps it."""

    def __init__(self, privacy: Privacy, keys: UseCaseKeys) -> None: ...

    def replace(self, entity: str, original: str, person: str) -> str:
        """The replacement.

        Args:
            entity: e.g. `PERSON`.
            original: what was found in the text.
            person: whom the record is about: its subject, or its own id where it names none.
        """
        ...


@cache
def operator_names() -> list[str]:
    """Every name that `privacy.operators` may hold."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


class Operators:
    """The operators of one use case by entity."""

    def __init__(self, privacy: Privacy, keys: UseCaseKeys) -> None:
        self._privacy = privacy
        self._keys = keys
        self._made: dict[str, Operator] = {}

    def of(self, entity: str) -> Operator:
        name = self._privacy.operators.get(entity, self._privacy.default_operator)
        if name not in self._made:
            module = importlib.import_module(f"{__name__}.{name}")
            (found,) = [
                c
                for c in vars(module).values()
                if isinstance(c, type) and c.__module__ == module.__name__ and hasattr(c, "replace")
            ]
            self._made[name] = found(self._privacy, self._keys)
        return self._made[name]
