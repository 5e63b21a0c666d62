"""ft access: a person asks for a role in a use case or a look at it; somebody else decides, until a day."""

import argparse
import json
from datetime import UTC, date, datetime

from ft_platform.commands import opened

HELP = "Ask to work in a use case or to look at its reports, until a day; grant, decline or end that; list requests."
EXAMPLES = [
    "ft access list complaint_routing",
    (
        "ft access request complaint_routing --by bo.lund@example.org --as data_science --until 2027-03-31 --reason"
        ' "Cover for Dana in March"'
    ),
    'ft access request complaint_routing --by bo.lund@example.org --until 2027-03-31 --reason "Audit of 2026"',
    "ft access grant complaint_routing access_request-0a1b2c3d4e5f --by maria.lind@example.org --until 2027-03-15",
    'ft access decline complaint_routing access_request-0a1b2c3d4e5f --by maria.lind@example.org --reason "Ask Tom"',
    'ft access end complaint_routing access_request-0a1b2c3d4e5f --by maria.lind@example.org --reason "Dana is back"',
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "ft access [-h] {request,grant,decline,end,list} use_case [id] [--as ROLE|look] [--until DAY] [--reason TEXT]"
        " [--by PERSON] [--json]"
    )
    parser.add_argument("what", choices=["request", "grant", "decline", "end", "list"], help="what to do")
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("id", nargs="?", default="", help="request to grant, to decline or to end (ft access list)")
    parser.add_argument(
        "--as", dest="role", default="look", metavar="ROLE|look", help="what to ask for; look: to see the reports"
    )
    parser.add_argument(
        "--until",
        type=date.fromisoformat,
        help="last day, YYYY-MM-DD, at most 90 days ahead; who grants may name an earlier one than was asked for",
    )
    parser.add_argument("--reason", default="", help="what for, or why, in 10 characters or more; no personal data")
    parser.add_argument("--by", default="", help="e-mail address of the person who asks or decides")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.commands.who import person_of
    from ft_platform.errors import ConfigError
    from ft_platform.people import access
    from ft_platform.people.audit_log.opening import audit_log_of
    from ft_platform.people.loading import permissions_of

    environment, use_case, lake = opened(arguments.use_case)
    today, words = datetime.now(UTC).date(), {"reason": arguments.reason}
    if arguments.what != "list":
        if not arguments.by.strip():
            raise ConfigError(["--by is needed: who says it"])
        log = audit_log_of(lake, {use_case.name: use_case.path} if use_case.path else {})
        person = person_of(environment, log, arguments.by, environment.policy.signatures.signed_in)
        who = (person, permissions_of(environment), log)
        if arguments.what == "request":
            if arguments.until is None:
                raise ConfigError(["--until is needed: the last day"])
            asked = {"what": arguments.role, "purpose": arguments.reason, "until": arguments.until}
            access.ask(lake, use_case, *who, today=today, **asked)
        elif not arguments.id:
            raise ConfigError(["which request?"], f"See: ft access list {use_case.name}")
        elif arguments.what == "end":
            access.end(lake, use_case, arguments.id, *who, today=today, **words)
        else:
            says = access.GRANTED if arguments.what == "grant" else access.DECLINED
            access.decide(lake, use_case, arguments.id, *who, says=says, today=today, until=arguments.until, **words)
    found = access.requests(lake, use_case)
    if arguments.json:
        print(json.dumps([one.to_dict(today) for one in found], indent=1, ensure_ascii=False))
        return 0
    for one in found:
        print(f"{one.id}  {one.state(today):8s} {one.said['person']}: {one.words} until {one.until}")
        print(f"  {one.said['purpose']}")
        for decided in one.decisions:
            why = f": {decided.said['reason']}" if decided.said["reason"] else ""
            print(f"  {decided.said['says']} on {decided.said['at'][:10]} by {decided.said['person']}{why}")
    if not found:
        print("Nobody has asked for access.")
    return 0
