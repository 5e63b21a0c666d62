"""Filters, one file each: the file's name is the reason code, `removes(records, use_case)` is the claim, for a batch of
records at once.

A record that several filters would remove gets the reason of the one that decides first: filters without `ORDER` (it
counts as 0), then those of a higher one, and among equals the first in the alphabet. A filter sees only records that no
lower order removed, so an expensive one has a higher order.
"""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.use_case.named import NamedUseCase

STAYS = -1


@dataclass(frozen=True)
class CleanedRecords:
    """What filters decide on, after cleaning. All arrays have shape `(rows,)` and type string.

    Attributes:
        texts: the user's words, no nulls.
        answers: the last assistant message; null where there is none.
        labels: the class; null where there is none.
        memo: for what several filters of one order need and one computes.
    """

    texts: pa.Array
    answers: pa.Array
    labels: pa.Array
    memo: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def characters(self) -> np.ndarray:
        """Characters of each text. Shape `(rows,)`."""
        return pc.utf8_length(self.texts).to_numpy()

    def occurrences(self, expression: str) -> np.ndarray:
        """How often an RE2 expression is found in each text. Shape `(rows,)`."""
        return pc.count_substring_regex(self.texts, expression).to_numpy()

    def where(self, decide: Callable[[str], bool], candidates: np.ndarray | None = None) -> np.ndarray:
        """The decision on each text, in Python. Shape `(rows,)`, dtype bool.

        Args:
            candidates: decide on these rows only, no on the others. Shape `(rows,)`, dtype bool.
        """
        chosen = np.flatnonzero(candidates) if candidates is not None else np.arange(len(self))
        result = np.zeros(len(self), bool)
        result[chosen] = [bool(decide(text)) for text in self.texts.take(pa.array(chosen)).to_pylist()]
        return result

    def none(self) -> np.ndarray:
        """No record: what a filter that is switched off answers."""
        return np.zeros(len(self), bool)

    def take(self, rows: np.ndarray) -> "CleanedRecords":
        if len(rows) == len(self):
            return self
        chosen = pa.array(rows)
        return CleanedRecords(self.texts.take(chosen), self.answers.take(chosen), self.labels.take(chosen))


Filter = Callable[[CleanedRecords, NamedUseCase], np.ndarray]


@cache
def filters() -> dict[str, Filter]:
    """Reason code -> filter, for every file in this folder, in the order they decide."""
    return {name: removes for _, name, removes in _ordered()}


@cache
def _ordered() -> list[tuple[int, str, Filter]]:
    modules = {module.name: import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)}
    return sorted(
        ((getattr(module, "ORDER", 0), name, module.removes) for name, module in modules.items()),
        key=lambda found: found[:2],
    )


def reasons_to_remove(records: CleanedRecords, use_case: NamedUseCase) -> np.ndarray:
    """Place in `list(filters())` of the filter that removes each record, or `STAYS`. Shape `(rows,)`, dtype int16."""
    reasons = np.full(len(records), STAYS, np.int16)
    places = {name: place for place, name in enumerate(filters())}
    for _, together in groupby(_ordered(), key=lambda found: found[0]):
        left = np.flatnonzero(reasons == STAYS)
        if not len(left):
            break
        seen = records.take(left)
        found = np.full(len(left), STAYS, np.int16)
        for _, name, removes in together:
            found[(found == STAYS) & removes(seen, use_case)] = places[name]
        reasons[left] = found
    return reasons
