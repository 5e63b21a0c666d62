"""ft users: who may sign in to the web pages of this installation, where no provider of the organization does it."""

import argparse

HELP = "Add, list, disable and remove users of the web pages, and give new passwords."
EXAMPLES = [
    "ft users add ana.ruiz@example.org      # shows the first password, once",
    "ft users list",
    "ft users reset ana.ruiz@example.org --second-factor",
    "ft users disable ana.ruiz@example.org",
]
ACTIONS = ("add", "list", "disable", "enable", "reset", "remove")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, help="what to do")
    parser.add_argument("email", nargs="?", help="whom, by the e-mail address that roles are given to")
    parser.add_argument("--second-factor", action="store_true", help="for reset: take the second factor away, too")


def run(arguments: argparse.Namespace) -> int:
    import importlib.util
    import sys

    from ft_platform.errors import ConfigError, MissingExtra
    from ft_platform.use_case.environment import load_environment

    if importlib.util.find_spec("argon2") is None:
        raise MissingExtra("argon2-cffi", "ui")
    from ft_platform.people.audit_log.once_needed import audit_log_once_needed
    from ft_platform.people.identity.names import email_of
    from ft_platform.people.identity.users import FIRST_PASSWORD_DAYS, Users
    from ft_platform.people.noted import Noted
    from ft_platform.people.person import at_this_machine

    environment = load_environment()
    users, email = Users(environment.people_path), arguments.email
    if arguments.action == "list":
        for user in users.read():
            print(f"{user.state:<9} {'second factor' if user.second_factor else '-':<14} {user.name}")
        return 0
    if not email:
        raise ConfigError([f"ft users {arguments.action} needs an e-mail address"])
    note = audit_log_once_needed(environment)
    note(Noted("people", at_this_machine(), f"ft users {arguments.action}", details={"user": email_of(email) or ""}))
    if arguments.action in ("add", "reset"):
        password = users.add(email) if arguments.action == "add" else users.reset(email, arguments.second_factor)
        print(password)
        print(
            f"First password of {email.lower()}, for {FIRST_PASSWORD_DAYS} days. It is shown only now, and changed at"
            " the first sign-in. Roles are given in `people.roles` and in `owners` of use cases.",
            file=sys.stderr,
        )
        return 0
    if arguments.action == "remove":
        users.remove(email)
    else:
        users.disable(email, disabled=arguments.action == "disable")
    ends = "" if arguments.action == "enable" else "; open sessions end within a second"
    print(f"{email.lower()} is {arguments.action}d{ends}")
    return 0
