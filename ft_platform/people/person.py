"""Who acts, and how that is known."""

from dataclasses import dataclass
from typing import Literal

from ft_platform.process.account import this_account

KnownBy = Literal["self-declared", "password", "openid", "proxy", "token"]
"""`self-declared`: whoever typed a command named the person. `password`: signed in with one of `ft users`. `openid`:
signed in at the provider of the organization. `proxy`: a trusted proxy says so. `token`: a program, with a service
token."""

PERSON = "ft_person"
"""Key of an ASGI scope: the `Person` who asks. Not there: nobody has signed in."""

STARTED_BY = "ft/person"
"""Tag of a run: name of the person who started it. Not there: nobody knows who."""

SIGNED_IN: tuple[KnownBy, ...] = ("password", "openid", "proxy")
"""How a person is known who has shown it."""


@dataclass(frozen=True)
class Person:
    """A person, or a program with a token.

    Attributes:
        name: e-mail address in lower case; of a token `token:<name>`; of whoever sits at the machine the account.
        groups: those of the organization's directory. A group is the team of the same name in `owners`.
        actions, use_cases: a token's; it may do nothing else, and nowhere else. None: a person, with the roles that
            the installation and the use cases give.
    """

    name: str
    groups: frozenset[str] = frozenset()
    known_by: KnownBy = "self-declared"
    actions: frozenset[str] | None = None
    use_cases: frozenset[str] | None = None

    @property
    def is_token(self) -> bool:
        return self.actions is not None


def at_this_machine() -> Person:
    """The account of the operating system, where nobody signs in."""
    return Person(this_account())


def named(email: str) -> Person:
    """A person whom somebody named."""
    return Person(email.strip().lower())
