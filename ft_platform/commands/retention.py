"""ft retention sweep: marks versions and checkpoints that hold records which may not be used any more."""

import argparse
import json
from datetime import UTC, date, datetime
from typing import Any

HELP = (
    "Mark every dataset version and checkpoint with records whose permission has ended, and remove the saved states"
    " of unfinished trainings on them. Training, evaluation and release then refuse them."
)
EXAMPLES = [
    "ft retention sweep",
    "ft retention sweep complaint_routing --json",
    "ft retention sweep --day 2027-01-01 --dry-run",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "ft retention [-h] sweep [use_case] [--day DAY] [--dry-run] [--json]"
    parser.add_argument(
        "what",
        choices=["sweep"],
        help="judge the rows of all versions, and mark versions with refused rows; makes no new version",
    )
    parser.add_argument("use_case", nargs="?", help="name of the use case (ft list); default: all")
    parser.add_argument(
        "--day",
        type=_day,
        help="judge by the permissions of this day, YYYY-MM-DD (default: today, UTC); a later one needs --dry-run",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be marked, but mark nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a day as YYYY-MM-DD") from None


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.errors import FtError
    from ft_platform.governance.forecast import foresee
    from ft_platform.governance.taint import sweep
    from ft_platform.lake.opening import open_lake
    from ft_platform.monitoring.traffic.shipping import forget_withdrawn, spool_path
    from ft_platform.use_case.file import find_use_cases, load_use_case, use_case_folder

    environment = load_environment()
    lake = open_lake(environment)
    folders = (
        [use_case_folder(environment.defs, arguments.use_case)]
        if arguments.use_case
        else find_use_cases(environment.defs)
    )
    sweeps: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    for folder in folders:
        # One broken YAML or ledger must not keep the marks from the other use cases.
        try:
            use_case = load_use_case(folder, environment=environment)
            if not arguments.dry_run:
                forget_withdrawn(lake, spool_path(environment), use_case)
            sweeps.append(
                {"use_case": use_case.name, **sweep(lake, use_case, arguments.day, dry_run=arguments.dry_run).to_dict()}
            )
            if not arguments.dry_run and (records := lake.latest(use_case.name, "permitted_records")):
                foresee(lake, use_case, records, datetime.now(UTC).date())
        except FtError as error:
            failed[folder.name] = str(error)
    if arguments.json:
        print(json.dumps({"sweeps": sweeps, "failed": failed}, indent=1, ensure_ascii=False))
    else:
        _show(sweeps)
    if failed:
        raise FtError("; ".join(f"{name} was not swept: {problem}" for name, problem in failed.items()))
    return 0


def _show(sweeps: list[dict[str, Any]]) -> None:
    for found in sweeps:
        counts = f"{len(found['tainted'])} tainted, {len(found['cleared'])} cleared"
        print(f"{found['use_case']}, {found['day']}: {counts}{'' if found['marked'] else ', not marked'}")
        for one in found["tainted"]:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in one["reasons"].items())
            print(f"  {one['version']:<28} {one['rows']:>9,} rows  {reasons}")
        for one in found["cleared"]:
            print(f"  {one['version']:<28} may be used again")
        for one in found["unfinished_trainings"]:
            removed = "its saved states are removed" if found["marked"] else "its saved states would be removed"
            print(
                f"  {one['checkpoint']:<28} unfinished training on {one['splits'] or 'an unknown version'}: {removed}"
            )
