"""What was erased of a version, so that the rest still verifies under the hash that everything else names it by.

The content hash of a table is made of a sum over its rows (`content_hash`), so the sum of what was taken out, added to
that of what is left, gives the hash that the version has always had. Its id, its parents, its children and its verdicts
stay as they were signed. The record of it is a signed verdict beside the version.

Covered: a row that is taken out, put in or changed afterwards, and a file that is not the one that the erasure wrote.
Not covered: whoever knows an erased row word for word can find out that it was there, from the sum.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ft_platform.lake.content_hash import plus

WHOLE = "whole_but_for_erased_rows"
"""The verdict that an erasure leaves on a version that held rows of a person: passed."""
GONE = ""
"""In place of the hash of a file that was removed."""


class Erasure(BaseModel):
    """What one request took out of one version."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: str
    rows: int = Field(ge=0, description="Rows that are gone. A row that lost words is not counted.")
    state: str = Field(default="", description="What to add to the state of the hash of the rows that are left.")
    files: dict[str, str] = Field(default_factory=dict, description="File -> sha256 now; empty: it was removed.")


@dataclass(frozen=True)
class ErasedRows:
    """All that was erased of a version, the oldest request first."""

    erasures: tuple[Erasure, ...] = ()

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.erasures)

    @property
    def state(self) -> str:
        """Where the hash of the rows that are left begins, so that it ends as the manifest says."""
        return reduce(plus, (one.state for one in self.erasures), "")

    def files(self, written: Mapping[str, str]) -> dict[str, str]:
        """File -> sha256 now.

        Args:
            written: as the manifest has it.
        """
        found = dict(written)
        for one in self.erasures:
            found |= one.files
        return {name: digest for name, digest in found.items() if digest != GONE}

    def before(self, request: str) -> "ErasedRows":
        """What was erased before a request began, or before it went on after others."""
        known = list(self.erasures)
        while known and known[-1].request == request:
            known.pop()
        return ErasedRows(tuple(known))

    def joined(self, prefix: str) -> "ErasedRows":
        """The same, with neighbours whose request begins so as one: a retention that deletes every day would leave an
        entry a day.

        Args:
            prefix: of requests that are done.
        """
        found: list[Erasure] = []
        for one in self.erasures:
            if found and found[-1].request.startswith(prefix) and one.request.startswith(prefix):
                last = found.pop()
                one = Erasure(
                    request=one.request,
                    rows=last.rows + one.rows,
                    state=plus(last.state, one.state),
                    files={**last.files, **one.files},
                )
            found.append(one)
        return ErasedRows(tuple(found))

    def numbers(self) -> dict[str, Any]:
        """As the verdict has it."""
        return {"erasures": [one.model_dump() for one in self.erasures]}


def from_numbers(numbers: Mapping[str, Any]) -> ErasedRows:
    """Inverse of `ErasedRows.numbers`."""
    return ErasedRows(tuple(Erasure.model_validate(one) for one in numbers["erasures"]))


def sum_of(states: Iterable[str]) -> str:
    """Several states as one."""
    return reduce(plus, states, "")
