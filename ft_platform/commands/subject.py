"""ft subject: a person asks what is held on them; all of it is written into a folder."""

import argparse
import json
from pathlib import Path

HELP = "Write all that the installation holds on a person into a folder, for that person (GDPR, Article 15)."
EXAMPLES = [
    "ft subject export C-10482 --out for_the_person --by ana.ruiz@example.org",
    "ft subject export complaint_routing - --out for_the_person --by ana.ruiz@example.org   # the id on standard input",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "ft subject [-h] {export} [use_case] id --out FOLDER [--by PERSON] [--json]"
    parser.add_argument("what", choices=["export"], help="what to do")
    parser.add_argument(
        "words",
        nargs="+",
        metavar="[use_case] id",
        help="id of a person as the source writes it, or a pseudonym; `-` for one on standard input. Without a use"
        " case: all",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder, which only you may read")
    parser.add_argument("--by", default="", help="e-mail address of who asks for it (default: the account)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    import sys

    from ft_platform.commands.who import person_of
    from ft_platform.erasure.disclosure import NothingHeld, disclose
    from ft_platform.errors import ConfigError
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import audit_log_of
    from ft_platform.people.loading import permissions_of
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    permissions = permissions_of(environment)
    known, wanted = permissions.use_cases, arguments.words[-1]
    wanted = (sys.stdin.readline() if wanted == "-" else wanted).strip()
    name = arguments.words[0] if len(arguments.words) == 2 else None
    if len(arguments.words) > 2 or not wanted:
        raise ConfigError(["expected an id, or a use case and an id"], "See: ft subject --help")
    if name is not None and name not in known:
        raise ConfigError([f"there is no use case {name}"], "See: ft list")
    cases = [known[name]] if name else [known[one] for one in sorted(known)]
    lake = open_lake(environment)
    who = person_of(environment, audit_log_of(lake), arguments.by, environment.policy.signatures.signed_in)
    try:
        found = disclose(lake, environment, cases, permissions, who, [wanted], arguments.out)
    except NothingHeld as nothing:
        print(f"ft subject: {nothing.message}. {arguments.out} was not made.", file=sys.stderr)
        for one in nothing.near:
            print(f"  did you mean {one}?", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    for one in found:
        print(f"{one['use_case']}: {one['records']:,} records, {one['rows']:,} rows in {len(one['files']):,} files")
    print(f"{arguments.out}: it names the person, so hand it over safely, and delete it afterwards")
    return 0
