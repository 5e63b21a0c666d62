"""ft lake: closes the private folders of an installation to everybody else, and says who may do what in a bucket."""

import argparse
import json
import sys
from pathlib import Path

HELP = (
    "Close the restricted zone, the vault, the keys and the Dagster home to everyone else (or open the zones to"
    " `restricted_group`); write roles and a policy for the bucket of a lake."
)
EXAMPLES = ["ft lake harden", "ft lake harden --json", "ft lake policies --account 111122223333 --out lake.yaml"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="{harden,policies}", required=True)
    harden = actions.add_parser(
        "harden", help="set the modes of everything in them to 0700 and 0600; does not touch what already has them"
    )
    harden.add_argument("--json", action="store_true", help="print JSON")
    policies = actions.add_parser(
        "policies", help="write a CloudFormation template: roles and a bucket policy for a lake in S3, by `ft may`"
    )
    policies.add_argument("--account", required=True, metavar="NUMBER", help="the AWS account, 12 digits")
    policies.add_argument("--out", type=Path, metavar="FILE", help="default: print it")


def run(arguments: argparse.Namespace) -> int:
    return _policies(arguments) if arguments.action == "policies" else _harden(arguments)


def _policies(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.people.bucket_rights import bucket_of, template, text_of
    from ft_platform.use_case.file import find_use_cases

    environment = load_environment()
    use_cases = [folder.name for folder in find_use_cases(environment.defs)]
    bucket = bucket_of(environment.lake_uri, arguments.account)
    text = text_of(template(bucket, use_cases, environment.policy.looks.purposes))
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


def _harden(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.errors import ConfigError
    from ft_platform.lake import modes
    from ft_platform.lake.opening import open_lake
    from ft_platform.lake.private_folders import private_folders

    environment = load_environment()
    lake = open_lake(environment)
    lake.close_zone("restricted")  # one that does not exist yet is made, for the group as well
    done = {}
    for folder in private_folders(environment):
        try:
            done[folder] = modes.harden(folder.path, folder.access)
        except PermissionError:
            who = "the account that owns it" + (
                f", a member of {environment.restricted_group}" if folder.access.group is not None else ""
            )
            raise ConfigError(
                [(f"{folder.path} cannot be closed: another account owns it, or this one is not in the group")],
                f"Run it as {who}",
            ) from None
    if arguments.json:
        print(json.dumps([{"folder": f.name, "path": str(f.path), **vars(h)} for f, h in done.items()], indent=1))
    else:
        for folder, hardened in done.items():
            print(
                f"{folder.name:13} {hardened.changed:,} of {hardened.entries:,} files and folders changed"
                f" ({folder.path})"
            )
    if not lake.is_local:
        print(
            f"{lake.root} is an object store: its policy says who may read it (docs/how_to/protect_the_zones.md)",
            file=sys.stderr,
        )
    left = [(f, h.left) for f, h in done.items() if h.left and f.name != "Dagster home"]
    for folder, count in left:
        print(
            f"{count:,} in {folder.path} are still open to others: they belong to another account, or the file system"
            " has no modes",
            file=sys.stderr,
        )
    return 1 if left else 0
