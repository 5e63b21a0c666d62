"""ft restore: puts a backup back into empty places, or checks that it could be."""

import argparse
import json

HELP = (
    "Put a backup back, into the empty places that the environment names (FT_HOME, FT_LAKE_ROOT). Killed, it goes on"
    " where it was."
)
EXAMPLES = [
    "ft restore",
    "ft restore --at 2027-03-01",
    "ft restore --list",
    "ft restore --check                # read and compare every block, write nothing",
    "FT_HOME=/mnt/drill FT_LAKE_ROOT= ft restore",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--at",
        default="",
        metavar="MOMENT",
        help="the newest backup until then: a day, a time in UTC, or an id (default: the newest of all). Users, keys"
        " and the audit log always come from the newest",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list the backups that can be restored")
    what.add_argument("--check", action="store_true", help="read and compare every block, and write nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from ft_platform.commands.backup import say_problems, tell
    from ft_platform.lake.backup import restoring
    from ft_platform.lake.backup.taking import listed
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import note
    from ft_platform.tracking.mlflow_home import bring_home
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    if arguments.list:
        found = listed(environment)
        if arguments.json:
            print(json.dumps(found, indent=1))
        for one in () if arguments.json else found:
            print(f"{one['backup']}  {one['files']:>9,} files  {one['bytes']:>15,} bytes  {one['problems']} problems")
        return 0
    do = restoring.check if arguments.check else restoring.restore
    done = do(environment, arguments.at, tell)
    if not arguments.check:
        bring_home(environment.mlflow_uri)
        note(open_lake(environment), "", "settings", "restored a backup", backup=done.backup)
    if arguments.json:
        print(json.dumps(asdict(done), indent=1))
    else:
        words = (
            "can be restored"
            if arguments.check
            else "is restored, and `ft lake check` compares it with what was signed"
        )
        print(f"{done.backup} {words}. {done.files:,} files, {done.bytes / 1e6:,.1f} MB.")
    return say_problems(done.problems)
