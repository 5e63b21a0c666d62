"""What the audit log is told of: who did what, or tried to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ft_platform.people.person import Person

Kind = Literal[
    "login",
    "denial",
    "run",
    "decision",
    "waiver",
    "signature",
    "release",
    "look_up",
    "erasure",
    "settings",
    "people",
    "incident",
    "evidence",
    "key",
    "annotation",
]


@dataclass(frozen=True)
class Noted:
    """One thing that happened.

    Attributes:
        what: in a few words, the same for the same thing: `signed in`, `released`, `may not start trainings`.
        details: names and ids, never texts of records.
    """

    kind: Kind
    person: Person
    what: str
    use_case: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


class Noting(Protocol):
    """Writes an entry before what it tells of happens, and raises where it cannot: nothing goes on unseen."""

    def __call__(self, noted: Noted, /) -> None: ...


def unnoted(noted: Noted) -> None:
    """Where no audit log is kept."""
