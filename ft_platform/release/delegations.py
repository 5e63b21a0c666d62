"""Delegations: a person lets another one sign in their role, until a day.

Covered: nobody delegates a role that was delegated to them, for longer than `LONGEST_DAYS`, or to somebody who may not
sign because of what they did. A delegation ends with its day, when it is taken back, and when whoever gave it loses the
role; what was signed before stays."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from ft_platform.errors import ConfigError, MayNot
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.may import Permissions, conflict, knowledge_problem
from ft_platform.people.noted import Noted, Noting
from ft_platform.people.person import Person, named
from ft_platform.people.statements import Stated, state, statements
from ft_platform.release.entitled import groups_that_give, roles_of
from ft_platform.release.separation import acted
from ft_platform.use_case.named import NamedUseCase

DELEGATION = "delegation"
LONGEST_DAYS = 90
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def delegate(
    lake: Lake,
    use_case: NamedUseCase,
    checkpoint: ArtifactVersion | None,
    person: Person,
    permissions: Permissions,
    note: Noting,
    *,
    to: str,
    until: date,
    roles: Sequence[str] = (),
    at: datetime | None = None,
) -> list[dict[str, str]]:
    """Lets somebody else sign in the roles of a person that a release asks for.

    Args:
        checkpoint: that is to be decided about: who trained it gets nothing.
        to: e-mail address.
        until: last day, UTC.
        roles: default all that the person has and a release asks for.

    Returns:
        The record for each role.

    Raises:
        MayNot: the person has no such role.
        ConfigError: the day is past or too far away, or the other one may not sign.
    """
    at = at or datetime.now(UTC)
    other, asked = named(to), use_case.signing_roles
    own = [role for role in roles_of(permissions, person, use_case) if role in (roles or asked)]
    last = at.date() + timedelta(days=LONGEST_DAYS)
    problems = [problem for problem in (knowledge_problem(use_case, person.known_by),) if problem]
    if not own or not {*roles} <= {*own}:
        what = ", ".join(roles) or "no role that a release asks for"
        problems.append(f"{person.name} cannot delegate {what}: only an owner can, and only an own role")
    refused = MayNot if problems else ConfigError
    if not at.date() <= until <= last:
        problems.append(f"the last day must be between today and {last}, got {until}")
    if not EMAIL.fullmatch(other.name) or other.name == person.name.casefold():
        problems.append("it must go to the e-mail address of somebody else")
    if excluded := conflict(other, "approve", acted(lake, use_case, checkpoint)):
        problems.append(excluded)
    details = {"to": other.name, "roles": ", ".join(own or roles), "until": until.isoformat()}
    if problems:
        note(Noted("denial", person, "may not delegate signing", use_case.name, details))
        raise refused(problems)
    note(Noted("signature", person, "delegated signing", use_case.name, details))
    about = [checkpoint] if checkpoint else []
    return [
        state(
            lake,
            use_case,
            DELEGATION,
            {
                "person": person.name,
                "known_by": person.known_by,
                "groups": groups_that_give(permissions, person, use_case, role),
                "role": role,
                "to": other.name,
                "until": until.isoformat(),
                "at": at.isoformat(timespec="milliseconds"),
            },
            about,
        )
        for role in own
    ]


def delegations(lake: Lake, use_case: NamedUseCase) -> dict[str, Stated]:
    """Id -> delegation, newest first. Raises as `statements`."""
    return {one.said["id"]: one for one in statements(lake, use_case, DELEGATION)}


def held(one: Stated, use_case: NamedUseCase, permissions: Permissions, moment: str) -> bool:
    """Whether a delegation was in force at a moment (ISO 8601, UTC), and whoever gave it has the role still."""
    said = one.said
    giver = Person(said["person"], frozenset(said["groups"]))
    within = said["at"] <= moment and moment[:10] <= said["until"] and one.stood_at(moment)
    entitled = said["role"] in roles_of(permissions, giver, use_case)
    return within and entitled and not knowledge_problem(use_case, said["known_by"])
