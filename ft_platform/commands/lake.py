"""ft lake: checks a lake, copies it to another store, closes private folders, and says who may do what in a bucket."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ft_platform.lake.check import Found
    from ft_platform.lake.inspection import Inspection
    from ft_platform.use_case.settings.environment import Environment

HELP = (
    "Compare the lake with what was signed and find what belongs to nothing; copy it to another store; close the"
    " restricted zone, the vault, the keys and the Dagster home to everyone else (or open the zones to"
    " `restricted_group`); write roles and a policy for the bucket of a lake."
)
EXAMPLES = [
    "ft lake check                            # every chain, manifest, file and row, and what no version names",
    "ft lake check --repair --older-than 30   # removes rests of killed writers",
    "ft lake copy .ft/lake s3://example-lake/prefix",
    "ft lake harden",
    "ft lake policies --account 111122223333 --out lake.yaml",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="{check,copy,harden,policies}", required=True)
    check = actions.add_parser("check", help="compare every version with what was signed, and find orphans")
    check.add_argument("use_cases", nargs="*", help="use cases whose versions are read (default: all in the lake)")
    check.add_argument(
        "--repair",
        action="store_true",
        help="remove what killed writers left behind; never what was signed or set aside",
    )
    check.add_argument(
        "--older-than",
        type=float,
        default=7.0,
        metavar="DAYS",
        help="with --repair: age of what is removed, 1 or more (default: 7)",
    )
    check.add_argument("--json", action="store_true", help="print JSON")
    copy = actions.add_parser(
        "copy", help="copy a lake to another store, verified by hash; run again, it copies what is new"
    )
    copy.add_argument("source", metavar="FROM", help="a folder or `s3://bucket/prefix`: a lake of this installation")
    copy.add_argument("target", metavar="TO", help="an empty place, or one that was copied to before")
    copy.add_argument("--json", action="store_true", help="print JSON")
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
    return ACTIONS[arguments.action](arguments)


def _check(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from ft_platform.commands.backup import tell
    from ft_platform.errors import ConfigError
    from ft_platform.lake import check
    from ft_platform.lake.inspection import inspect, signed_use_cases
    from ft_platform.lake.opening import open_lake
    from ft_platform.lake.zone_keys import wrong_keys
    from ft_platform.people.audit_log.log import AuditLog
    from ft_platform.people.audit_log.opening import note
    from ft_platform.people.audit_log.verify import verify
    from ft_platform.use_case.environment import load_environment

    if not arguments.older_than >= check.LEAST_DAYS:
        raise ConfigError([f"--older-than must be {check.LEAST_DAYS:g} or more, got {arguments.older_than:g}"])
    lake = open_lake(load_environment())
    if arguments.repair:
        note(lake, "", "settings", "removes rests of killed writers", older_than_days=f"{arguments.older_than:g}")
    inspected = [inspect(lake, name, tell) for name in arguments.use_cases or signed_use_cases(lake)]
    log = AuditLog(lake)
    problems = [problem for one in inspected for problem in one.problems]
    if log.head() or log.files.segments():
        problems += [f"audit log: {problem}" for problem in verify(log).problems]
    tell("keys of objects, and what belongs to nothing")
    problems += wrong_keys(lake)
    found = check.look(lake)
    gone = check.repair(lake, found, arguments.older_than) if arguments.repair else []
    left = [one for one in found if one not in gone]
    wrong = [one for one in left if one.is_wrong]
    if arguments.json:
        told = {"use_cases": [asdict(one) for one in inspected], "problems": problems}
        rests = {"found": [asdict(one) for one in left], "removed": [asdict(one) for one in gone]}
        print(json.dumps({**told, **rests}, indent=1, ensure_ascii=False))
    else:
        _say_checked(inspected, problems, left, gone)
    return 1 if problems or wrong else 0


def _say_checked(inspected: "list[Inspection]", problems: list[str], left: "list[Found]", gone: "list[Found]") -> None:
    files, tables, artifacts = (
        sum(getattr(one, name) for one in inspected) for name in ("files", "tables", "artifacts")
    )
    print(f"{files:,} signed files, {tables:,} versions of tables and {artifacts:,} folders were compared.")
    for problem in problems:
        print(f"  {problem}")
    for kind, words in WORDS.items():
        if of_it := [one for one in left if one.kind == kind]:
            print(f"{len(of_it):,} {words} ({sum(one.bytes for one in of_it) / 1e6:,.1f} MB)")
            for one in of_it[:MOST]:
                print(f"  {one.path}")
            if len(of_it) > MOST:
                print(f"  and {len(of_it) - MOST:,} more: ft lake check --json")
    if gone:
        print(f"{len(gone):,} rests were removed ({sum(one.bytes for one in gone) / 1e6:,.1f} MB)")
    print("problems were found" if problems or any(one.is_wrong for one in left) else "the lake is intact")


def _copy(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from ft_platform.commands.backup import say_problems, tell
    from ft_platform.lake.backup.copying import copy_lake
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.log import AuditLog
    from ft_platform.people.audit_log.opening import note
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    places = [
        place if "://" in place else str(Path(place).absolute()) for place in (arguments.source, arguments.target)
    ]
    source, target = (open_lake(_at(environment, place)) for place in places)
    note(source, "", "settings", "copied the lake", to=target.root)
    copied = copy_lake(source, AuditLog(source), target, tell)
    if arguments.json:
        print(json.dumps(asdict(copied), indent=1))
    else:
        print(
            f"{copied.files:,} files are in {target.root}; {copied.written:,} ({copied.bytes / 1e6:,.1f} MB) are new"
            f" and were read back, {copied.removed:,} were removed. To use it, set lake_root: {target.root}"
        )
    return say_problems(copied.problems)


def _at(environment: "Environment", place: str) -> "Environment":
    """The installation with its lake at another place; keys of zones are those of its lake in S3."""
    keys = environment.lake_keys if place.startswith("s3://") else {}
    return environment.model_copy(update={"lake_root": place, "lake_keys": keys})


def _policies(arguments: argparse.Namespace) -> int:
    from ft_platform.people.bucket_rights import bucket_of, template, text_of
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import find_use_cases

    environment = load_environment()
    use_cases = [folder.name for folder in find_use_cases(environment.defs)]
    bucket = bucket_of(environment.lake_uri, arguments.account)
    text = text_of(template(bucket, use_cases, environment.policy.looks.purposes, environment.lake_keys))
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


def _harden(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.lake import modes
    from ft_platform.lake.opening import open_lake
    from ft_platform.lake.private_folders import private_folders
    from ft_platform.use_case.environment import load_environment

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


ACTIONS = {"check": _check, "copy": _copy, "harden": _harden, "policies": _policies}
MOST = 20
"""Files of a kind that are named."""
WORDS = {
    "lost": "files are missing that a table names",
    "unreadable": "logs of tables cannot be read",
    "not_signed": "control files that nobody signed: they do not count, and somebody or a killed run put them there",
    "set_aside": "files that were set aside, as damaged or with a chain that was begun again: evidence, which stays",
    "half_written": "files that a writer did not finish: --repair removes old ones",
    "no_version": "files of tables that no version names: --repair removes old ones",
    "not_published": "files of folders that were never published: --repair removes old ones",
}
"""Kind of `lake.check` -> words after the number."""
