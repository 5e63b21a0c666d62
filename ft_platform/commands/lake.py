"""ft lake: closes the private folders of an installation to everybody else."""

import argparse
import json
import sys

HELP = (
    "Close the restricted zone, the vault, the keys and the Dagster home to everybody else (or open the zones to"
    " `restricted_group`)."
)
EXAMPLES = ["ft lake harden", "ft lake harden --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="{harden}", required=True)
    harden = actions.add_parser(
        "harden", help="give everything in them the modes 0700 and 0600; what already has them stays as it is"
    )
    harden.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.errors import ConfigError
    from ft_platform.lake import modes, open_lake
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
            problem = f"{folder.path} cannot be closed: it belongs to another account, or this one is not in the group"
            raise ConfigError([problem], f"Run it as {who}") from None
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
            " keeps no modes",
            file=sys.stderr,
        )
    return 1 if left else 0
