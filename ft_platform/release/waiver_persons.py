"""Who may waive which rule: each rule belongs to one role, and only the persons whom the use case names as its owners
in that role may waive it.

Covered: that the name is one of those in the file. Not covered: that whoever types it is that person; the account of
the operating system is recorded beside it.
"""

from ft_platform.release.rule import kind_of
from ft_platform.settings.roles import OWNER_ROLES
from ft_platform.use_case.named import NamedUseCase

COMPLIANCE = "compliance"


def role_of(rule: str) -> str:
    """The role of the owner whom a rule belongs to, as its kind says; of a rule that is of no kind, or that nobody can
    waive, compliance."""
    kind = kind_of(rule)
    return (kind and kind.owner) or COMPLIANCE


def who_may_waive(use_case: NamedUseCase, rule: str, name: str) -> str | None:
    """The person of that name as the use case spells it, if this person may waive the rule; otherwise None."""
    persons = use_case.settings.owners.persons(role_of(rule))
    return next((person for person in persons if person.casefold() == name.strip().casefold()), None)


def owner_problem(use_case: NamedUseCase, rule: str, name: str) -> str:
    """Why that person may not waive the rule, and who may."""
    owners, role = use_case.settings.owners, role_of(rule)
    persons = owners.persons(role)
    if not persons:
        team = owners.of(role)
        return (
            f"{rule} belongs to {role}, which is {team}; name its persons in owners.teams.{team.removeprefix('team:')}"
            " (e-mail addresses)"
        )
    return f"{rule} belongs to {role}, so only {', '.join(persons)} may waive it, not {name.strip()!r}"


def persons_of(use_case: NamedUseCase) -> list[str]:
    """Everybody whom the use case names as an owner, in any role."""
    return list(dict.fromkeys(person for role in OWNER_ROLES for person in use_case.settings.owners.persons(role)))
