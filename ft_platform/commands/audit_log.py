"""ft audit-log: who did what, and whether the log of it is intact."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ft_platform.people.audit_log.entry import Entry
    from ft_platform.people.audit_log.log import AuditLog
    from ft_platform.use_case.settings.environment import Environment

HELP = "Show who did what, verify that nobody changed the audit log, or erase a person from it."
EXAMPLES = [
    "ft audit-log --use-case complaint_routing --kind release --since 2027-01-01",
    "ft audit-log --person ana.ruiz@example.org --json",
    "ft audit-log verify                             # each entry, the chain, checkpoints, anchors",
    "ft audit-log checkpoint                         # the newest one, and the key that verifies it",
    "ft audit-log verify --copy /mnt/usb/audit_log --key 'ft_platform/audit_log/0a1b...+2c3d...+AR...'",
    'ft audit-log forget --person ana.ruiz@example.org --reason "Request 4711"',
    "ft audit-log send                               # to anchors and receivers, now",
    'ft audit-log begin-again --reason "Restored from the backup of 3 March"  # where nothing can be noted any more',
]
ACTIONS = ("show", "verify", "checkpoint", "forget", "send", "begin-again")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        f"ft audit-log [-h] [{{{','.join(ACTIONS)}}}] [--since MOMENT] [--person NAME] [--use-case NAME] [--kind KIND]"
        " [--reason TEXT] [--copy FOLDER --key KEY] [--json]"
    )
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="show", help="default: show entries")
    parser.add_argument("--since", type=moment, help="only entries since a day or moment, ISO 8601, UTC")
    parser.add_argument("--person", help="only entries of this person; with `forget`, whom to erase")
    parser.add_argument("--use-case", dest="of_use_case", metavar="NAME", help="only entries about this use case")
    parser.add_argument("--kind", help="only entries of this kind, as `release`, `look_up`, `denial`")
    parser.add_argument("--reason", default="", help="why, in 10 characters or more; without personal data")
    parser.add_argument("--copy", type=Path, metavar="FOLDER", help="verify a copy of the folder `audit_log` of a lake")
    parser.add_argument(
        "--key", action="append", default=[], help="key that a copy is verified with, as `checkpoint` shows; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a day or moment, as 2027-01-31 or 2027-01-31T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import audit_log_of
    from ft_platform.use_case.environment import load_environment

    if arguments.copy:
        return _verify_copy(arguments)
    environment = load_environment()
    log = audit_log_of(open_lake(environment))
    return RUN[arguments.action](log, environment, arguments)


def _show(log: "AuditLog", _environment: "Environment", arguments: argparse.Namespace) -> int:
    found = (one for one in log.entries() if _is_wanted(one, arguments))
    if arguments.json:
        print(json.dumps([one.to_dict() for one in found], indent=1, ensure_ascii=False))
        return 0
    for one in found:
        details = "" if one.details is None else ", ".join(f"{name} {value}" for name, value in one.details.items())
        print(
            f"{one.number:>8}  {one.at[:19]}  {one.kind:9}  {one.person or '(erased)'} ({one.known_by})  {one.use_case}"
            f"  {one.what}{': ' if details else ''}{details}"
        )
    return 0


def _is_wanted(one: "Entry", arguments: argparse.Namespace) -> bool:
    return (
        (arguments.since is None or datetime.fromisoformat(one.at) >= arguments.since)
        and (arguments.person is None or (one.person or "").casefold() == arguments.person.casefold())
        and arguments.of_use_case in (None, one.use_case)
        and arguments.kind in (None, one.kind)
    )


def _verify(log: "AuditLog", environment: "Environment", arguments: argparse.Namespace) -> int:
    from ft_platform.people.audit_log.verify import verify_with_anchors

    found = verify_with_anchors(log, environment)
    return _verified(found.entries, found.problems, arguments)


def _verify_copy(arguments: argparse.Namespace) -> int:
    from fsspec.implementations.local import LocalFileSystem

    from ft_platform.errors import ConfigError
    from ft_platform.people.audit_log.checkpoint import public_key
    from ft_platform.people.audit_log.files import Files
    from ft_platform.people.audit_log.verify import verify_copy

    if arguments.action != "verify" or not arguments.key:
        raise ConfigError(["--copy goes with `verify` and --key"], "The key is shown by: ft audit-log checkpoint")
    try:
        keys = [public_key(key) for key in arguments.key]
    except ValueError:
        raise ConfigError(["--key is no verifier key"], "It is shown by: ft audit-log checkpoint") from None
    found = verify_copy(Files(LocalFileSystem(), str(arguments.copy.absolute())), keys)
    return _verified(found.entries, found.problems, arguments)


def _verified(entries: int, problems: list[str], arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps({"entries": entries, "ok": not problems, "problems": problems}, indent=1, ensure_ascii=False))
    else:
        print(f"{entries:,} entries: {'intact' if not problems else f'{len(problems)} problems'}")
        for problem in problems:
            print(f"  {problem}")
    return 1 if problems else 0


def _checkpoint(log: "AuditLog", _environment: "Environment", arguments: argparse.Namespace) -> int:
    from ft_platform.errors import DataError
    from ft_platform.people.audit_log.checkpoint import verifier_key

    head = log.head()
    if head is None:
        raise DataError("nothing was noted yet", "The first run begins the audit log")
    keys = [verifier_key(head.origin, key) for key in log.keys.public.values() if not key.stolen_since]
    if arguments.json:
        print(json.dumps({"checkpoint": head.checkpoint, "keys": keys}, indent=1, ensure_ascii=False))
    else:
        print(head.checkpoint)
        print("\n".join(f"verified with {key}" for key in keys))
    return 0


def _forget(log: "AuditLog", _environment: "Environment", arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.people.noted import Noted
    from ft_platform.people.person import at_this_machine
    from ft_platform.process.reasons import require_reason

    if not arguments.person:
        raise ConfigError(["--person is needed: whom to erase"])
    reason = require_reason(arguments.reason)
    said = Noted("erasure", at_this_machine(), "erased a person from the audit log", details={"reason": reason})
    print(f"{log.forget(arguments.person, said):,} entries named this person")
    return 0


def _send(log: "AuditLog", environment: "Environment", arguments: argparse.Namespace) -> int:
    from ft_platform.people.audit_log.sending import send

    arrived, problems = send(log, environment)
    if arguments.json:
        print(json.dumps({"sent": arrived, "problems": problems}, indent=1))
    else:
        print(f"{arrived:,} entries and checkpoints sent")
        for problem in problems:
            print(f"  {problem}", file=sys.stderr)
    return 1 if problems else 0


def _begin_again(log: "AuditLog", _environment: "Environment", arguments: argparse.Namespace) -> int:
    from ft_platform.people.person import at_this_machine
    from ft_platform.process.reasons import require_reason

    aside = log.begin_again(at_this_machine(), require_reason(arguments.reason))
    print(f"A new audit log has begun. The one before is in {aside}.")
    return 0


RUN = {
    "show": _show,
    "verify": _verify,
    "checkpoint": _checkpoint,
    "forget": _forget,
    "send": _send,
    "begin-again": _begin_again,
}
