"""ft needs: what waits for a person."""

import argparse
import json

HELP = "Show what waits for a person: failed checks, refused releases, waivers that end, alarms, feedback."
EXAMPLES = ["ft needs", "ft needs --as compliance", "ft needs --as ana.ruiz@example.org --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", nargs="?", help="name of the use case (default: all)")
    parser.add_argument("--as", dest="who", metavar="ROLE|EMAIL", help="of one role, or of one person")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from ft_platform.errors import ConfigError
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.loading import permissions_of
    from ft_platform.people.person import named
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import use_case_folder
    from ft_platform.use_case.settings.roles import ROLES
    from ft_platform.web.portal_pages.needs import needs_of, urgency

    environment = load_environment()
    if arguments.use_case:
        use_case_folder(environment.defs, arguments.use_case)
    who = arguments.who
    if who and who not in ROLES and "@" not in who:
        raise ConfigError([f"{who!r} is neither a role nor an e-mail address"], f"Roles: {', '.join(ROLES)}")
    permissions, lake, today = permissions_of(environment), open_lake(environment), datetime.now(UTC).date()
    found = []
    for name, use_case in sorted(permissions.use_cases.items()):
        if arguments.use_case in (None, name):
            roles = {who} if who in ROLES else set(ROLES)
            if who and who not in ROLES:
                roles = {*permissions.roles(named(who)), *permissions.roles(named(who), name)}
            found += [need for need in needs_of(lake, use_case, today) if need.role in roles]
    found.sort(key=urgency)
    if arguments.json:
        print(json.dumps([one.to_dict() for one in found], indent=1, ensure_ascii=False))
        return 0
    for one in found:
        until = f", until {one.until[:10]}" if one.until else ""
        print(f"{one.use_case}, {ROLES[one.role].title}{until}: {one.what}\n  {one.next_step}")
    if not found:
        print("Nothing waits.")
    return 0
