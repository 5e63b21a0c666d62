"""ft retention: marks what may not be used any more, and deletes what is beyond its period."""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_platform.lake.store import Lake
    from ft_platform.people.person import Person
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.settings.environment import Environment

HELP = (
    "Mark every dataset version and checkpoint with records whose permission has ended, so that training, evaluation"
    " and release refuse them (sweep); delete rows and old versions beyond the periods of `retention` (delete)."
)
EXAMPLES = [
    "ft retention sweep",
    "ft retention sweep --day 2027-01-01 --dry-run",
    "ft retention delete --dry-run                     # what would go, what stays, and why",
    "ft retention delete complaint_routing --json",
    'ft retention hold complaint_routing --reason "Case 12/345 before the court" --by ana.ruiz@example.org',
    "ft retention list                                 # legal holds and deletions",
    "ft retention show complaint_routing retention_report-0a1b2c3d4e5f",
]
WHAT = ("sweep", "delete", "hold", "lift", "list", "show")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "ft retention [-h] {sweep,delete,hold,lift,list,show} [use_case] [id] [--day DAY] [--dry-run] [--confirm]"
        " [--reason TEXT] [--by PERSON] [--json]"
    )
    parser.add_argument(
        "what",
        choices=WHAT,
        help=(
            "`sweep` judges the rows of all versions, marks those with refused rows, and deletes nothing of them;"
            " `delete` deletes for good; `hold` keeps all of a use case until `lift`"
        ),
    )
    parser.add_argument("use_case", nargs="?", help="name of the use case (ft list); default: all")
    parser.add_argument("id", nargs="?", help="of a legal hold (lift) or a report (show)")
    parser.add_argument(
        "--day",
        type=_day,
        help="judge by the permissions of this day, YYYY-MM-DD (default: today, UTC); a later one needs --dry-run",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be marked or deleted, and do neither")
    parser.add_argument(
        "--confirm", action="store_true", help="delete also where more than `retention.max_share` of the rows would go"
    )
    parser.add_argument("--reason", default="", help="why, in 10 characters or more; no personal data")
    parser.add_argument("--by", default="", help="e-mail address of who says so (default: the account)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a day as YYYY-MM-DD") from None


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError

    takes_id = arguments.what in ("lift", "show")
    if (arguments.id is not None) != takes_id or (arguments.what == "hold" and arguments.use_case is None):
        wanted = "a use case and an id" if takes_id else "a use case" if arguments.what == "hold" else "no id"
        raise ConfigError([f"ft retention {arguments.what} takes {wanted}"], "See: ft retention --help")
    done, failed = _in_each(arguments, ACTIONS[arguments.what])
    if arguments.json:
        print(json.dumps({KEYS[arguments.what]: done, "failed": failed}, indent=1, ensure_ascii=False))
    else:
        SHOW[arguments.what](done)
    if failed:
        from ft_platform.errors import FtError

        verb = {"sweep": "was not swept", "delete": "was not deleted from"}.get(arguments.what, "failed")
        raise FtError("; ".join(f"{name} {verb}: {problem}" for name, problem in failed.items()))
    return 0


def _in_each(
    arguments: argparse.Namespace, act: Callable[..., dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What was done in each use case, and what went wrong. One broken YAML or ledger must not keep the others."""
    from ft_platform.errors import FtError
    from ft_platform.lake.opening import open_lake
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import find_use_cases, load_use_case, use_case_folder

    environment = load_environment()
    lake = open_lake(environment)
    folders = (
        [use_case_folder(environment.defs, arguments.use_case)]
        if arguments.use_case
        else find_use_cases(environment.defs)
    )
    done: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    for folder in folders:
        try:
            use_case = load_use_case(folder, environment=environment)
            done.append({"use_case": use_case.name, **act(arguments, environment, lake, use_case)})
        except FtError as error:
            failed[folder.name] = str(error)
    return done, failed


def _person(arguments: argparse.Namespace, environment: "Environment", lake: "Lake") -> "Person":
    from ft_platform.commands.who import person_of
    from ft_platform.people.audit_log.opening import audit_log_of

    return person_of(environment, audit_log_of(lake), arguments.by, environment.policy.signatures.signed_in)


def _sweep(
    arguments: argparse.Namespace, environment: "Environment", lake: "Lake", use_case: "NamedUseCase"
) -> dict[str, Any]:
    from ft_platform.governance.forecast import foresee
    from ft_platform.governance.taint import sweep
    from ft_platform.monitoring.traffic.shipping import forget_withdrawn, spool_path

    if not arguments.dry_run:
        forget_withdrawn(lake, spool_path(environment), use_case)
    found = sweep(lake, use_case, arguments.day, dry_run=arguments.dry_run).to_dict()
    if not arguments.dry_run and (records := lake.latest(use_case.name, "permitted_records")):
        foresee(lake, use_case, records, datetime.now(UTC).date())
    return found


def _delete(
    arguments: argparse.Namespace, environment: "Environment", lake: "Lake", use_case: "NamedUseCase"
) -> dict[str, Any]:
    from dataclasses import asdict

    from ft_platform.erasure.retention import delete_due
    from ft_platform.erasure.retention_plan import plan_of
    from ft_platform.errors import DataError
    from ft_platform.governance.retention import require_keeper, standing_holds
    from ft_platform.people.loading import permissions_of

    today = datetime.now(UTC).date()
    day = arguments.day or today
    if arguments.dry_run:
        plan, _ = plan_of(lake, use_case, day)
        told = {name: value for name, value in asdict(plan).items() if name not in ("files", "use_case")}
        return {"dry_run": True, **told, "needs_confirmation": plan.needs_a_word}
    if day > today:
        raise DataError(f"{day} is in the future, so nothing is deleted", "To look ahead, add --dry-run")
    person = _person(arguments, environment, lake)
    if arguments.confirm:
        require_keeper(lake, use_case, permissions_of(environment), person)
    made = delete_due(lake, environment, use_case, person, day, confirmed=arguments.confirm, tell=_tell)
    if made is None:
        return {"dry_run": False, "rows": 0, "holds": standing_holds(lake, use_case)}
    return {"dry_run": False, "holds": [], **made}


def _tell(step: str) -> None:
    print(f"  {step.replace('_', ' ')}", file=sys.stderr)


def _hold(
    arguments: argparse.Namespace, environment: "Environment", lake: "Lake", use_case: "NamedUseCase"
) -> dict[str, Any]:
    from ft_platform.governance.retention import hold, lift
    from ft_platform.people.loading import permissions_of

    about = lake, use_case, permissions_of(environment), _person(arguments, environment, lake)
    if arguments.what == "hold":
        hold(*about, arguments.reason)
    else:
        lift(*about, arguments.id, arguments.reason)
    return _list(arguments, environment, lake, use_case)


def _list(
    arguments: argparse.Namespace, environment: "Environment", lake: "Lake", use_case: "NamedUseCase"
) -> dict[str, Any]:
    from ft_platform.governance.retention import holds, reports, shown

    return {
        "holds": [{**shown(one), "lifted": one.taken_back} for one in holds(lake, use_case)],
        "deletions": reports(lake, use_case),
    }


def _show(
    arguments: argparse.Namespace, environment: "Environment", lake: "Lake", use_case: "NamedUseCase"
) -> dict[str, Any]:
    from ft_platform.errors import DataError
    from ft_platform.governance.retention import reports

    found = next((one for one in reports(lake, use_case) if arguments.id in (one["id"], one["deletion"])), None)
    if found is None:
        raise DataError(f"there is no report {arguments.id}", f"See: ft retention list {use_case.name}")
    return found


def _show_sweeps(sweeps: list[dict[str, Any]]) -> None:
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


def _show_deletions(deletions: list[dict[str, Any]]) -> None:
    for found in deletions:
        name, would = found["use_case"], found["dry_run"]
        if found["holds"]:
            print(f"{name}: nothing is deleted, because of {', '.join(found['holds'])}")
            continue
        traffic = sum(found.get("traffic", {}).values())
        if not (found["rows"] or traffic or found.get("reports")):
            print(f"{name}: nothing is beyond its period")
        else:
            _show_one(name, found, traffic, "would be" if would else "are")
        for one in found.get("kept", ()):
            print(f"  {one['version']:<28} is kept: {one['why']}")


def _show_one(name: str, found: dict[str, Any], traffic: int, are: str) -> None:
    reasons = "".join(f", {reason} {count:,}" for reason, count in found["records"].items())
    print(f"{name}, {found['day']}: {found['rows']:,} rows {are} deleted{reasons}")
    author = found["set_by"].get("changed_by") or f"{found['set_by']['compliance']} (owner)"
    print(f"  the periods were set by      {author}")
    for one in found["versions"]:
        print(f"  {one['version']:<28} {one['rows']:>9,} rows  {one['why']}")
    for one in found["checkpoints"]:
        print(f"  {one['checkpoint']:<28} learned from them: it is refused from now on")
    for one in found["reports"]:
        print(f"  {one['report']:<28} {one['rows']:>9,} rows")
    for training in found["trainings"]:
        print(f"  {training:<28} unfinished training: its saved states {are} removed")
    if traffic:
        print(f"  captured traffic             {traffic:>9,} rows")
    if found.get("needs_confirmation"):
        print(f"  {found['share']:.0%} of the rows: a compliance officer has to add --confirm")
    if "id" in found:
        print(f"  report {found['id']}")


def _show_list(found: list[dict[str, Any]]) -> None:
    lines = []
    for one in found:
        for held in one["holds"]:
            state = f"lifted on {held['lifted']['at'][:10]}" if held["lifted"] else "in force"
            lines.append(f"{held['id']}  {one['use_case']}, {state}, since {held['at'][:10]}: {held['reason']}")
        lines += [
            f"{done['id']}  {one['use_case']}, {done['at'][:10]}: {done['rows']:,} rows deleted"
            for done in one["deletions"]
        ]
    print("\n".join(lines) or "No legal hold, and nothing was deleted.")


def _show_reports(found: list[dict[str, Any]]) -> None:
    print("\n".join(json.dumps(one, indent=1, ensure_ascii=False) for one in found))


ACTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "sweep": _sweep,
    "delete": _delete,
    "hold": _hold,
    "lift": _hold,
    "list": _list,
    "show": _show,
}
KEYS = {
    "sweep": "sweeps",
    "delete": "deletions",
    "hold": "use_cases",
    "lift": "use_cases",
    "list": "use_cases",
    "show": "reports",
}
SHOW: dict[str, Callable[[list[dict[str, Any]]], None]] = {
    "sweep": _show_sweeps,
    "delete": _show_deletions,
    "hold": _show_list,
    "lift": _show_list,
    "list": _show_list,
    "show": _show_reports,
}
