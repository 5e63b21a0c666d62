"""Filters, one file each: the file's name is the reason code, `removes(record, use_case)` is the claim.

A record that several filters would remove gets the reason that comes first in the alphabet.
"""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from ft_platform.use_case import NamedUseCase


@dataclass(frozen=True)
class CleanedRecord:
    """What a filter decides on, after cleaning.

    Attributes:
        text: the user's words.
        answer: the last assistant message.
        label: the class.
    """

    text: str
    answer: str | None
    label: str | None


Filter = Callable[[CleanedRecord, NamedUseCase], bool]


@cache
def filters() -> dict[str, Filter]:
    """Reason code -> filter, for every file in this folder."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").removes for name in names}


def reason_to_remove(record: CleanedRecord, use_case: NamedUseCase) -> str | None:
    """Reason code of the first filter that removes the record, or None."""
    return next((name for name, removes in filters().items() if removes(record, use_case)), None)
