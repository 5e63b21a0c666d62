"""ft may: who may do what, as the table of roles says."""

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ft_platform.people.person import Person

HELP = "Show what a role or a person may do, and who has which role."
EXAMPLES = [
    "ft may",
    "ft may complaint_routing",
    "ft may --as compliance",
    "ft may --as ana.ruiz@example.org --in complaint_routing",
    "ft may --as auditor --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", nargs="?", help="where; without --as: what you may do there yourself")
    parser.add_argument("--as", dest="who", metavar="ROLE|EMAIL", help="one role, or one person (default: all roles)")
    parser.add_argument("--in", dest="within", metavar="USE_CASE", help="the same as the name alone")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.people.actions import ACTIONS
    from ft_platform.people.may import table
    from ft_platform.people.person import at_this_machine, named
    from ft_platform.use_case.settings.roles import ROLES

    who = arguments.who
    arguments.use_case = arguments.use_case or arguments.within
    if who is None and arguments.use_case:
        return _of_a_person(at_this_machine(), arguments, list(ACTIONS))
    if who is None or who in ROLES:
        asked = [who] if who else list(ROLES)
        found = {name: {role: reach[role] for role in asked} for name, reach in table().items()}
        print(json.dumps(found, indent=1) if arguments.json else "\n".join(_rows(found)))
        return 0
    if "@" not in who:
        raise ConfigError([f"{who!r} is neither a role nor an e-mail address"], f"Roles: {', '.join(ROLES)}")
    return _of_a_person(named(who), arguments, list(ACTIONS))


def _of_a_person(person: "Person", arguments: argparse.Namespace, actions: list[str]) -> int:
    from ft_platform.people.actions import ACTIONS
    from ft_platform.people.loading import permissions_of
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import use_case_folder
    from ft_platform.use_case.settings.roles import ROLES

    environment = load_environment()
    if arguments.use_case:
        use_case_folder(environment.defs, arguments.use_case)
    permissions = permissions_of(environment)
    rulings = {name: permissions.may(person, name, arguments.use_case) for name in actions}
    own = {name: permissions.roles(person, name) for name in permissions.use_cases}
    own = {name: roles for name, roles in own.items() if roles and arguments.use_case in (None, name)}
    where = {
        name: [one for one in permissions.use_cases if permissions.may(person, name, one)]
        for name, ruling in rulings.items()
        if not ruling and arguments.use_case is None
    }
    roles = permissions.roles(person)
    granted = [
        {"use_case": name, "role": one.role, "until": one.until, "id": one.id}
        for name, use_case in permissions.use_cases.items()
        if arguments.use_case in (None, name)
        for one in permissions.granted(use_case)
        if one.person == person.name
    ]
    if arguments.json:
        said = {name: {"may": one.allowed, "why": one.why, "in": where.get(name, [])} for name, one in rulings.items()}
        found = {"person": person.name, "roles": roles, "roles_in": own, "granted": granted, "actions": said}
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    held = [f"{', '.join(ROLES[role].title for role in roles)} of the installation"] if roles else []
    held += [f"{', '.join(ROLES[role].title for role in found)} in {name}" for name, found in own.items()]
    print(f"{person.name}: {'; '.join(held) or 'no role'}")
    for one in granted:
        print(f"  granted until {one['until']}: {one['role'] or 'look'} in {one['use_case']} ({one['id']})")
    for name, one in rulings.items():
        there = where.get(name)
        says = " in ".join([ACTIONS[name].says, *([", ".join(there)] if there else [])])
        words = says if one or there else one.why
        print(f"  {'yes' if one or there else 'no ':3s}  {name:20s} {words}")
    return 0


def _rows(found: dict[str, dict[str, str]]) -> list[str]:
    """A line for each action, with the roles that may."""
    from ft_platform.people.actions import ACTIONS
    from ft_platform.use_case.settings.roles import ROLES

    lines = []
    for name, reach in found.items():
        own = [ROLES[role].title for role, how in reach.items() if how == "own"]
        everywhere = [ROLES[role].title for role, how in reach.items() if how == "all"]
        who = [", ".join(own) and f"of the use case: {', '.join(own)}", everywhere and f"all: {', '.join(everywhere)}"]
        lines.append(f"{name:20s} {ACTIONS[name].says}\n{'':20s} {'; '.join(part for part in who if part) or 'nobody'}")
    return lines
