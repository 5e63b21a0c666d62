"""Who stands above a role in a use case, as the table of roles and the installation say."""

from ft_platform.people.deciders import deciders
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.roles import ROLES


def superiors(role: str, use_case: NamedUseCase, people: People) -> list[str]:
    """E-mail addresses of the superiors of whoever has a role; none where nobody is named."""
    if named := people.superiors.get(role):  # type: ignore[call-overload]
        return [named]
    above = ROLES[role].reports_to
    return deciders(above, use_case, people) if above else []


def may_confirm(role: str, use_case: NamedUseCase) -> list[str]:
    """Whose word counts beside what somebody in a role has granted: its persons and the superior; groups of the
    directory among them."""
    people = use_case.people
    return list(dict.fromkeys([*deciders(role, use_case, people), *superiors(role, use_case, people)]))
