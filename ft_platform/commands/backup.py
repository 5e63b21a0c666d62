"""ft backup: a backup of the whole installation, encrypted, that costs what has changed."""

import argparse
import json
import sys

HELP = (
    "Back up the lake, Dagster's instance, keys, tracker, users and the audit log to the place in `backup`"
    " (ft_environment.yaml). What has not changed is not stored again."
)
EXAMPLES = ["ft backup", "ft backup --json", "ft backup --end-earlier"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--end-earlier",
        action="store_true",
        help="end all earlier backups: destroy the keys of everything that only they hold, as each `ft erase` does",
    )
    parser.add_argument(
        "--moved",
        action="store_true",
        help="this home has taken the place of the one that took the backups before (not: it is a drill or a copy)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.lake.backup.taking import repository_of, take_backup
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.log import AuditLog
    from ft_platform.people.audit_log.opening import note
    from ft_platform.use_case.environment import load_environment

    environment = load_environment()
    repository_of(environment)
    if arguments.end_earlier:
        note(open_lake(environment), "", "erasure", "ended earlier backups")
    if arguments.moved:
        note(open_lake(environment), "", "settings", "said that this home takes the place of the backed-up one")
    log = AuditLog(open_lake(environment))
    backup = take_backup(environment, log, end_earlier=arguments.end_earlier, moved=arguments.moved, tell=tell)
    if arguments.json:
        print(json.dumps({"backup": backup.id, "problems": backup.problems, **backup.told}, indent=1))
    else:
        told = backup.told
        print(
            f"{backup.id}: {told['files']:,} files, {told['bytes'] / 1e6:,.1f} MB; new are"
            f" {told['new_bytes'] / 1e6:,.1f} MB. {told['seconds']:,} seconds."
        )
    return say_problems(backup.problems)


def say_problems(problems: list[str]) -> int:
    """Says what does not match what was signed; the exit code."""
    for problem in problems[:20]:
        print(f"  {problem}", file=sys.stderr)
    if problems:
        print(f"{len(problems):,} problems: it is as it lay there. See: ft lake check", file=sys.stderr)
    return 1 if problems else 0


def tell(what: str) -> None:
    """Progress, on a line of its own."""
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"  {what:<60}", end=end, file=sys.stderr, flush=True)
