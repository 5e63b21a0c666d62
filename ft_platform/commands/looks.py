"""ft looks: who looked at records of persons, for what and which; and the second person, who confirms a look."""

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_platform.people.looks.look import Look

HELP = "List who looked at records of persons, for what and which ones; or confirm a look as the second person."
EXAMPLES = [
    "ft looks --use-case complaint_routing --since 2027-01-01",
    "ft looks --person dora.hart@example.org --json",
    "ft looks --use-case complaint_routing --id 0a1b2c3d          # who has seen this record",
    "ft looks confirm 128 --by maria.lind@example.org",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ft_platform.commands.audit_log import moment

    parser.usage = (
        "ft looks [-h] [{list,confirm}] [NUMBER] [--by EMAIL] [--since MOMENT] [--person NAME] [--use-case NAME]"
        " [--id ID] [--json]"
    )
    parser.add_argument("action", nargs="?", choices=["list", "confirm"], default="list", help="default: list looks")
    parser.add_argument("number", nargs="?", type=int, help="with `confirm`: of the look")
    parser.add_argument("--by", default="", metavar="EMAIL", help="with `confirm`: who confirms it")
    parser.add_argument("--since", type=moment, help="only looks since a day or moment, ISO 8601, UTC")
    parser.add_argument("--person", help="only looks of this person")
    parser.add_argument("--use-case", dest="of_use_case", metavar="NAME", help="only looks at this use case")
    parser.add_argument("--id", help="only looks that showed this record; needs --use-case and the pseudonym key")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.lake.opening import open_lake
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    lake = open_lake(environment)
    if arguments.action == "list":
        return _list(environment, lake, arguments)
    if arguments.number is None or not arguments.by.strip():
        raise ConfigError(["the number of a look and --by are needed"], "Looks that wait: ft looks")
    from ft_platform.commands.looking import door_of
    from ft_platform.commands.who import person_of

    door = door_of(environment, lake, arguments.of_use_case or "")
    person = person_of(environment, door.log, arguments.by, environment.policy.looks.signed_in)
    look = door.confirm(person, arguments.number)
    print(json.dumps(look.to_dict(), indent=1) if arguments.json else line_of(look))
    return 0


def _list(environment: Any, lake: Any, arguments: argparse.Namespace) -> int:
    from datetime import datetime

    from ft_platform.errors import ConfigError
    from ft_platform.lake.keys.key_ring import pseudonym_key_place, read_key_ring
    from ft_platform.people.audit_log.opening import audit_log_of
    from ft_platform.people.looks.door import hashes_of
    from ft_platform.people.looks.look import looks_in

    hashes: list[str] | None = None
    if arguments.id:
        if not arguments.of_use_case:
            raise ConfigError(["--id needs --use-case: each has hashes of its own"])
        hashes = hashes_of(arguments.id, arguments.of_use_case, read_key_ring(pseudonym_key_place(environment)))
    found = [
        one
        for one in looks_in(audit_log_of(lake).entries()).values()
        if (arguments.since is None or datetime.fromisoformat(one.at) >= arguments.since)
        and (arguments.person is None or (one.person or "").casefold() == arguments.person.casefold())
        and arguments.of_use_case in (None, one.use_case)
        and (hashes is None or not set(hashes).isdisjoint(one.records))
    ]
    if arguments.json:
        print(json.dumps([one.to_dict() for one in found], indent=1, ensure_ascii=False))
        return 0
    for one in found:
        print(line_of(one))
    print(f"{len(found)} look(s)")
    return 0


def line_of(look: "Look") -> str:
    """A look for people."""
    state = f"until {look.ends:%H:%M}" if look.ends else "confirmed" if look.confirmed_by else "waits"
    second = f", confirmed by {look.confirmed_by}" if look.confirmed_by else ""
    return (
        f"{look.number:>8}  {look.at[:16]}  {look.person or '(erased)'} ({look.known_by})  {look.use_case}"
        f"  {', '.join(look.versions) or look.asset}  {look.shown} of {look.rows} records, {state}"
        f"  {look.purpose}: {look.reason}{second}"
    )
