"""Who may waive which rule: each rule belongs to one role, and only those who decide in that role may waive it
(`people.deciders`), never somebody whose own work the rule is about (`separation`).

Covered: that the name is one of those in the file, or that the installation names. Not covered, where nobody signs in:
that whoever types it is that person; the account of the operating system is recorded beside it.
"""

from ft_platform.people.deciders import deciders, is_closed, nobody_named
from ft_platform.people.may import Permissions
from ft_platform.people.person import Person
from ft_platform.release.entitled import roles_of
from ft_platform.release.rule import kind_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.roles import OWNER_ROLES

COMPLIANCE = "compliance"


def role_of(rule: str) -> str:
    """The role of the owner whom a rule belongs to, as its kind says; of a rule that is of no kind, or that nobody can
    waive, compliance."""
    kind = kind_of(rule)
    return (kind and kind.owner) or COMPLIANCE


def permissions_in(use_case: NamedUseCase) -> Permissions:
    """Who may do what in one use case, without what is granted for a time: no grant lets anybody waive."""
    return Permissions(use_case.people, {use_case.name: use_case})


def who_may_waive(use_case: NamedUseCase, rule: str, person: Person) -> str | None:
    """That person's name as the files spell it, if this person may waive the rule; otherwise None."""
    role, name = role_of(rule), person.name.strip()
    who = Person(name, person.groups, person.known_by, person.actions)
    if role not in roles_of(permissions_in(use_case), who, use_case):
        return None
    named = deciders(role, use_case, use_case.people)
    return next((one for one in named if one.casefold() == name.casefold()), name)


def owner_problem(use_case: NamedUseCase, rule: str, name: str) -> str:
    """Why that person may not waive the rule, and who may."""
    owners, role = use_case.settings.owners, role_of(rule)
    persons = deciders(role, use_case, use_case.people)
    if persons:
        return f"{rule} belongs to {role}, so only {', '.join(persons)} may waive it, not {name.strip()!r}"
    if is_closed(role, use_case, use_case.people):
        return f"{rule} belongs to {role}: {nobody_named(role)}"
    team = owners.of(role)
    return (
        f"{rule} belongs to {role}, which is {team}; name its persons in owners.teams.{team.removeprefix('team:')}"
        " (e-mail addresses)"
    )


def persons_of(use_case: NamedUseCase) -> list[str]:
    """Everybody whom the use case names as an owner, in any role, or who decides in one."""
    owners = [person for role in OWNER_ROLES for person in use_case.settings.owners.persons(role)]
    deciding = [person for role in OWNER_ROLES for person in deciders(role, use_case, use_case.people)]
    return list(dict.fromkeys([*owners, *deciding]))
