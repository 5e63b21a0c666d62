"""ft erase: a person asks to be erased; a second person approves; then it is done, proven and certified."""

import argparse
import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_platform.lake.store import Lake
    from ft_platform.people.person import Person
    from ft_platform.release.erasures import Request
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.settings.environment import Environment

HELP = (
    "Erase a person: ask, let a second person approve, then erase, search every byte for what is left, and sign a"
    " certificate."
)
EXAMPLES = [
    "ft erase subject C-10482 --dry-run                             # what would be touched",
    'ft erase request complaint_routing C-10482 --reason "Letter of 3 March" --by ana.ruiz@example.org',
    "ft erase approve complaint_routing erasure_request-0a1b2c3d4e5f --by bo.lund@example.org",
    "ft erase subject complaint_routing C-10482 --json",
    "ft erase measure complaint_routing erasure_request-0a1b2c3d4e5f  # what weights hold, after a new training",
    "ft erase list                                                  # requests and their last day",
    "ft erase show complaint_routing erasure_request-0a1b2c3d4e5f   # the certificate",
]
WHAT = ("request", "approve", "refuse", "subject", "measure", "list", "show")
REQUEST = "erasure_request-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        "ft erase [-h] {request,approve,refuse,subject,measure,list,show} [use_case] [id] [--file FILE]"
        " [--text TEXT] [--received DAY] [--measure-weights] [--reason TEXT] [--by PERSON] [--dry-run] [--json]"
    )
    parser.add_argument("what", choices=WHAT, help="`subject` carries out what was approved")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[use_case] id",
        help=(
            "id of a person as the source writes it, or a pseudonym; `-` for one on standard input; or the id of a"
            " request. Without a use case: all"
        ),
    )
    parser.add_argument("--file", type=Path, help="file with ids of persons, one a line, in place of one id")
    parser.add_argument(
        "--text",
        action="append",
        default=[],
        help="a name or other text of the person, which is taken out of records of others, too; may be repeated",
    )
    parser.add_argument(
        "--received", type=date.fromisoformat, help="day on which the person asked, YYYY-MM-DD (default: today)"
    )
    parser.add_argument(
        "--measure-weights",
        action="store_true",
        help=(
            "request: attack what learned from the rows before they go, and seal them until `measure` has attacked a"
            " checkpoint without them, at most until the last day"
        ),
    )
    parser.add_argument("--reason", default="", help="why, in 10 characters or more; no personal data")
    parser.add_argument("--by", default="", help="e-mail address of who says so (default: the account)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be erased, but erase nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.erasure.gone import gone_use_cases
    from ft_platform.errors import ConfigError
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.loading import use_cases_of
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import use_case_folder

    environment = load_environment()
    lake, words = open_lake(environment), list(arguments.words)
    known = {one.name: one for one in gone_use_cases(lake, environment)} | use_cases_of(environment)
    takes_id = arguments.what not in ("list",) and arguments.file is None
    named = words.pop(0) if len(words) > takes_id or (not takes_id and words) else None
    if len(words) != takes_id:
        raise ConfigError(["expected an id, or a use case and an id"], "See: ft erase --help")
    if named is not None and named not in known:
        use_case_folder(environment.defs, named)
        raise ConfigError([f"the file of {named} is wrong"], f"See: ft check {named}")
    cases = [known[named]] if named else [known[name] for name in sorted(known)]
    if named is None:
        _tell_left_out(environment, known)
    return ACTIONS[arguments.what](arguments, environment, lake, cases, words[0] if words else "")


def _tell_left_out(environment: "Environment", known: "dict[str, NamedUseCase]") -> None:
    from ft_platform.use_case.file import find_use_cases

    for folder in find_use_cases(environment.defs):
        if folder.name not in known:
            print(f"{folder.name} is left out, because its file is wrong: ft check {folder.name}", file=sys.stderr)


def _person(arguments: argparse.Namespace, environment: "Environment", lake: "Lake") -> "Person":
    from ft_platform.commands.who import person_of
    from ft_platform.people.audit_log.opening import audit_log_of

    return person_of(environment, audit_log_of(lake), arguments.by, environment.policy.signatures.signed_in)


def _ids(arguments: argparse.Namespace, wanted: str) -> list[str]:
    from ft_platform.errors import ConfigError

    try:
        lines = arguments.file.read_text(encoding="utf-8").splitlines() if arguments.file else [wanted]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{arguments.file} cannot be read ({type(error).__name__})"]) from None
    found = [(sys.stdin.readline() if line == "-" else line).strip() for line in lines]
    if not any(found):
        raise ConfigError(["expected the id of a person"], "See: ft erase --help")
    return sorted({one for one in found if one})


def _request(
    arguments: argparse.Namespace, environment: "Environment", lake: "Lake", cases: "list[NamedUseCase]", wanted: str
) -> int:
    from ft_platform.erasure.planning import planned
    from ft_platform.erasure.requests import ask
    from ft_platform.errors import DataError
    from ft_platform.people.loading import permissions_of

    ids, today = _ids(arguments, wanted), datetime.now(UTC).date()
    if len(cases) > 1:
        words = (ids, arguments.text)
        cases = [one for one in cases if not planned(lake, environment, one, *words, only_lake=True).finds_nothing]
        if not cases:
            raise DataError("no use case holds anything of this person", "Name the use case to ask all the same")
    person = _person(arguments, environment, lake)
    made = [
        ask(
            lake,
            environment,
            one,
            permissions_of(environment),
            person,
            ids,
            arguments.text,
            reason=arguments.reason,
            received=arguments.received or today,
            today=today,
            measure_weights=arguments.measure_weights,
        )
        for one in cases
    ]
    return _shown(arguments, made)


def _decide(
    arguments: argparse.Namespace, environment: "Environment", lake: "Lake", cases: "list[NamedUseCase]", wanted: str
) -> int:
    from ft_platform.erasure.requests import decide
    from ft_platform.people.loading import permissions_of

    said = {"approved": arguments.what == "approve", "reason": arguments.reason}
    use_case = _only(lake, cases, wanted)
    about = lake, use_case, permissions_of(environment), _person(arguments, environment, lake)
    return _shown(arguments, [decide(*about, wanted, **said)])


def _only(lake: "Lake", cases: "list[NamedUseCase]", request_id: str) -> "NamedUseCase":
    """The use case with this request."""
    from ft_platform.errors import DataError
    from ft_platform.release.erasures import requests

    found = [case for case in cases if any(one.id == request_id for one in requests(lake, case))]
    if not found:
        raise DataError(f"there is no request {request_id}", "See: ft erase list")
    return found[0]


def _list(
    arguments: argparse.Namespace, environment: "Environment", lake: "Lake", cases: "list[NamedUseCase]", wanted: str
) -> int:
    from ft_platform.release.erasures import requests

    return _shown(arguments, [one for case in cases for one in requests(lake, case)])


def _shown(arguments: argparse.Namespace, found: "list[Request]") -> int:
    if arguments.json:
        print(json.dumps([one.to_dict() for one in found], indent=1, ensure_ascii=False))
        return 0
    today = datetime.now(UTC).date()
    for one in found:
        left = (one.deadline - today).days
        until = f", until {one.deadline} ({f'{left} days left' if left >= 0 else 'overdue'})" if one.is_open else ""
        print(f"{one.id}  {one.said['use_case']}, {one.said['persons']:,} persons, {one.state}{until}")
    if not found:
        print("Nobody asked to be erased.")
    return 0


def _show(
    arguments: argparse.Namespace, environment: "Environment", lake: "Lake", cases: "list[NamedUseCase]", wanted: str
) -> int:
    from ft_platform.errors import DataError
    from ft_platform.release.erasures import WAITS, request_named

    request = request_named(lake, _only(lake, cases, wanted), wanted)
    if request.certificate is None:
        state = request.state if request.state == WAITS else f"was {request.state}"
        raise DataError(f"{wanted} is not done: it {state}", "See: ft erase list")
    print(json.dumps(request.certificate_now, indent=1, ensure_ascii=False))
    return 0


def _measure(
    arguments: argparse.Namespace, environment: "Environment", lake: "Lake", cases: "list[NamedUseCase]", wanted: str
) -> int:
    from ft_platform.erasure.weights import measure_after
    from ft_platform.release.erasures import request_named

    use_case, today = _only(lake, cases, wanted), datetime.now(UTC).date()
    request = request_named(lake, use_case, wanted)
    found = measure_after(lake, environment, use_case, request, _person(arguments, environment, lake), today)
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    for one in [*found["before"], *([found["after"]] if found["after"] else [])]:
        if "not_measured" in one:
            print(f"{one['checkpoint']}: not measured: {one['not_measured']}")
            continue
        print(
            f"{one['checkpoint']}: a record of the person looks more learned than an unseen one in {one['auc']:.0%} of"
            f" pairs (chance {one['chance']:.2g}); {one['verbatim']} of {one['texts']} texts continued word for word"
        )
    if found["after"] is None:
        print(f"not measured afterwards: {found['not_measured']}")
    return 0


def _subject(
    arguments: argparse.Namespace, environment: "Environment", lake: "Lake", cases: "list[NamedUseCase]", wanted: str
) -> int:
    from dataclasses import asdict

    from ft_platform.erasure.certificate import totals
    from ft_platform.erasure.executing import erase_approved
    from ft_platform.erasure.planning import planned
    from ft_platform.erasure.requests import requests_about

    ids = [wanted] if wanted.startswith(REQUEST) else _ids(arguments, wanted)
    if arguments.dry_run:
        plans = [planned(lake, environment, one, ids, arguments.text) for one in cases]
        if arguments.json:
            print(json.dumps([asdict(one) for one in plans], indent=1, ensure_ascii=False))
        else:
            _show_plans(plans)
        return 0
    about = requests_about(lake, environment, cases, ids)
    person = _person(arguments, environment, lake)
    done = [erase_approved(lake, environment, *one, person, _tell) for one in about]
    found = totals(done)
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _show_done(found)
    return 1 if found["bytes_found_after"] else 0


def _tell(step: str) -> None:
    print(f"  {step.replace('_', ' ')}", file=sys.stderr)


def _show_done(found: dict[str, Any]) -> None:
    print(
        f"{found['rows']:,} rows are gone from {found['versions']:,} versions. {found['checkpoints']:,} checkpoints are"
        f" quarantined, {found['deployments']:,} deployments changed."
    )
    if found["bytes_found_after"]:
        print(
            f"{found['bytes_found_after']:,} bytes of the person are still found, so there is no certificate yet, in:"
        )
        for name in found["found_in"]:
            print(f"  {name}")
        print("Remove them, or wait until runs that are under way have ended, then run it again.")
    else:
        print("Nothing of the person is found any more.")
        print(f"certificate {found['certificate']}")
    if found["not_confirmed"]:
        print(
            f"{found['not_confirmed']:,} services outside did not confirm; the certificate names them. Run it again"
            " once they answer."
        )


def _show_plans(plans: list[Any]) -> None:
    for plan in plans:
        if plan.finds_nothing:
            more = "" if plan.names_persons else ", and its records name nobody"
            print(f"{plan.use_case}: nothing{more}")
            continue
        print(f"{plan.use_case}: {plan.records:,} records, {plan.rows:,} rows in {len(plan.versions):,} versions")
        for one in plan.versions:
            repairs = f", and a text in {one['repairs']:,} rows of others" if one["repairs"] else ""
            print(f"  {one['version']:<28} {one['rows']:>9,} rows{repairs}")
        for one in plan.checkpoints:
            rows = "an unknown number of" if one["rows"] is None else f"{one['rows']:,}"
            print(f"  {one['checkpoint']:<28} was trained on {rows} rows: it will be quarantined")
        for one in plan.reports:
            print(f"  {one['report']:<28} {one['rows']:>9,} rows")
        for training in plan.trainings:
            print(f"  {training:<28} unfinished training: its saved states will be removed")
        for release in plan.releases:
            print(f"  {release:<28} will be withdrawn")
        for target in plan.targets:
            print(f"  target {target:<21} gets the newest clean release, or nothing")
        print(f"  captured requests            {plan.requests:>9,}")
        if plan.vault:
            print("  the vault                    entries of the person")
        for place, count in plan.beside.items():
            print(f"  {place}: {count:,}")
        for file in plan.files:
            print(f"  {file}: not the platform's to change. Take the person out, or the file away: it ends only then")


ACTIONS = {
    "request": _request,
    "approve": _decide,
    "refuse": _decide,
    "subject": _subject,
    "measure": _measure,
    "list": _list,
    "show": _show,
}
