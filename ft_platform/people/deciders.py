"""Who decides in a role: approves, waives, and does what another person confirms.

Covered: whoever may edit the file of a use case cannot name a person in a role that waives rules and that the
installation fills (`people.roles`), nor a compliance officer once persons sign in. Not covered: such a role where the
installation names nobody. There the file names the owners, and `release.separation` keeps its authors from deciding."""

from ft_platform.people.actions import ACTIONS
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.people import People

COMPLIANCE = "compliance"


def is_closed(role: str, use_case: NamedUseCase, people: People) -> bool:
    """Whether only the installation says who decides in a role."""
    must_be_named = role == COMPLIANCE and bool(use_case.policy.signatures.signed_in)
    return must_be_named or (role in ACTIONS["waive"].roles and bool(people.having(role)))


def deciders(role: str, use_case: NamedUseCase, people: People) -> list[str]:
    """Who decides in a role of a use case: e-mail addresses, and groups of the directory."""
    own = [] if is_closed(role, use_case, people) else use_case.settings.owners.persons(role)
    return list(dict.fromkeys([*own, *people.having(role)]))


def nobody_named(role: str) -> str:
    """What is said where nobody decides in a closed role."""
    return f"nobody is named; name persons in people.roles.{role} of ft_environment.yaml"
