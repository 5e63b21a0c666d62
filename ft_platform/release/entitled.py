"""In which roles a person signs and waives, by name or by a group of the directory."""

from ft_platform.people.actions import ACTIONS
from ft_platform.people.may import Permissions
from ft_platform.people.person import Person
from ft_platform.use_case.named import NamedUseCase


def roles_of(permissions: Permissions, person: Person, use_case: NamedUseCase) -> list[str]:
    """Roles in which a person may sign decisions about a use case."""
    found = permissions.deciding_roles(person, use_case.name)
    return [role for role in ACTIONS["approve"].roles if role in found and not person.is_token]


def groups_that_give(permissions: Permissions, person: Person, use_case: NamedUseCase, role: str) -> list[str]:
    """Groups of the directory by which a person has a role; none where the name alone gives it. They stay on record:
    whether the role is still given is asked again when the record is read."""
    if role in roles_of(permissions, Person(person.name), use_case):
        return []
    alone = {group: Person(person.name, frozenset({group})) for group in sorted(person.groups)}
    return [group for group, one in alone.items() if role in roles_of(permissions, one, use_case)]
