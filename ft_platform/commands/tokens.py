"""ft tokens: with which programs use the web pages, for some actions in some use cases, until a day."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ft_platform.commands import count

if TYPE_CHECKING:
    from ft_platform.people.identity.tokens import Tokens

HELP = "Add, list and revoke service tokens, with which programs use the UI's API."
EXAMPLES = [
    "ft tokens add nightly --may start_training --in complaint_routing --days 90    # shows the token, once",
    "ft tokens list",
    "ft tokens revoke nightly",
]
ACTIONS = ("add", "list", "revoke")
EVERYWHERE = "all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, help="what to do")
    parser.add_argument("name", nargs="?", help="what uses the token; runs and the audit log name it")
    parser.add_argument("--may", nargs="+", metavar="ACTION", default=[], help="actions of `ft may`")
    parser.add_argument(
        "--in", dest="use_cases", nargs="+", metavar="USE_CASE", default=[], help="where; `all`: everywhere"
    )
    parser.add_argument("--days", type=count, help="days until it expires (at most 366)")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.lake.keys.given_out import now
    from ft_platform.people.audit_log.once_needed import audit_log_once_needed
    from ft_platform.people.identity.tokens import NAME, Tokens
    from ft_platform.people.noted import Noted
    from ft_platform.people.person import at_this_machine
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    tokens = Tokens(environment.people_path)
    if arguments.action == "list":
        for token in tokens.read():
            where = ", ".join(token.use_cases) if token.use_cases is not None else EVERYWHERE
            print(f"{token.state(now()):<8} {token.expires} {token.name:<24} {', '.join(token.actions)} in {where}")
        return 0
    if not arguments.name:
        raise ConfigError([f"ft tokens {arguments.action} needs a name"])
    note = audit_log_once_needed(environment)
    named = arguments.name if NAME.fullmatch(arguments.name) else ""
    note(Noted("people", at_this_machine(), f"ft tokens {arguments.action}", details={"token": named}))
    if arguments.action == "add":
        return _add(tokens, arguments, environment.defs)
    tokens.revoke(arguments.name)
    print(f"Token {arguments.name} is revoked; running servers refuse it within a second.")
    return 0


def _add(tokens: "Tokens", arguments: argparse.Namespace, defs: Path) -> int:
    import sys

    from ft_platform.errors import ConfigError
    from ft_platform.people.identity.tokens import MOST_DAYS, NAME
    from ft_platform.use_case.file import find_use_cases

    if not NAME.fullmatch(arguments.name):
        raise ConfigError(["the name of a token has lower-case letters, digits, _ and -, at most 60"])
    if not arguments.may or not arguments.use_cases or not 1 <= (arguments.days or 0) <= MOST_DAYS:
        raise ConfigError(
            ["a token needs --may, --in and --days"], f"--in all: every use case; --days: 1 to {MOST_DAYS}"
        )
    everywhere = arguments.use_cases == [EVERYWHERE]
    known = [folder.name for folder in find_use_cases(defs)]
    if not everywhere and (unknown := [name for name in arguments.use_cases if name not in known]):
        raise ConfigError([f"there is no use case {unknown[0]!r}; there are {', '.join(known)}, and `all` alone"])
    made, text = tokens.add(arguments.name, arguments.may, None if everywhere else arguments.use_cases, arguments.days)
    print(text)
    print(f"Token {made.name}, until {made.expires}. It is shown only now; only its hash is kept.", file=sys.stderr)
    return 0
