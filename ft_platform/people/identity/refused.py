"""Why somebody is not let in."""

import math

from ft_platform.people.noted import Kind
from ft_platform.people.person import Person

UNKNOWN = Person("unknown")
FAULT = "This page has a fault, and trying again does not help. The server's log says where."
"""What a person reads whose request met a mistake in the code."""


class Refused(Exception):
    """Somebody is not let in. The words say nothing about what they sent, nor whether an account exists.

    Attributes:
        status: of the answer.
        why: for the audit log, more than is said to them; empty: a mistake that nobody needs to know of.
        kind: of the entry there.
        person: whom they claim to be, where that is known.
        wait: seconds until they may try again, where they have to wait.
    """

    def __init__(
        self,
        words: str,
        status: int = 403,
        why: str = "",
        kind: Kind = "denial",
        person: Person = UNKNOWN,
        wait: float = 0.0,
    ) -> None:
        super().__init__(words)
        self.words, self.status, self.why, self.wait = words, status, why, math.ceil(wait)
        self.kind: Kind = kind
        self.person = person
