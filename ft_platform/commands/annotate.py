"""ft annotate: experts correct labels and answers of records."""

import argparse
import json
from pathlib import Path
from typing import Any

from ft_platform.commands import count, opened

HELP = "Give experts records whose label or answer is probably wrong, and take their corrections back."
EXAMPLES = [
    "ft annotate start complaint_routing --rows 200",
    "ft annotate export complaint_routing --out tasks",
    "ft annotate export complaint_routing --rows 200 --side train --format label-studio --out tasks",
    "ft annotate export complaint_routing --unlabelled --rows 200 --out tasks",
    "ft annotate import complaint_routing ana=tasks/ana.csv bo=tasks/bo.csv",
    "ft annotate export complaint_routing --disputed task-0a1b2c3d4e5f --out arbiter",
    "ft annotate import complaint_routing cy=arbiter/cy.csv --arbiter cy",
    "ft annotate status complaint_routing --json",
    "ft annotate effect complaint_routing",
    'ft annotate revoke complaint_routing repairs-0a1b2c3d4e5f --reason "Labels by an older guideline"',
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", metavar="<start|export|import|status|effect|revoke>", required=True)
    begin = what.add_parser("start", help="make a task that experts do in the browser: the portal's page `annotate`")
    out = what.add_parser("export", help="write a task with anonymized records, those that are probably wrong first")
    back = what.add_parser("import", help="read what experts answered; two who agree repair a record")
    state = what.add_parser("status", help="tasks, how far raters agree, and what is repaired")
    effect = what.add_parser("effect", help="what learning from repaired records changed on the test records")
    gone = what.add_parser(
        "revoke", help="take back what one import or judgement accepted, or one mark of personal data"
    )
    for one in (begin, out, back, state, effect, gone):
        one.add_argument("use_case", help="name of the use case (ft list)")
        one.add_argument("--json", action="store_true", help="print JSON")
    for one in (begin, out, back, gone):
        one.add_argument("--by", default="", help="e-mail address of who does it (default: the account)")
    out.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="folder for the task; nothing is replaced"
    )
    for one in (begin, out):
        one.add_argument("--rows", type=count, default=100, metavar="N", help="most records (default: %(default)s)")
        sides = ["train", "validation", "test"]
        one.add_argument("--side", nargs="+", choices=sides, help="only of these (default: all)")
    orders = ["likely-wrong", "random"]
    begin.add_argument("--order", choices=orders, default=orders[0], help="which first (default: %(default)s)")
    out.add_argument(
        "--order",
        choices=["likely-wrong", "most-useful", "random"],
        help="which first (default: likely-wrong; with --unlabelled most-useful)",
    )
    out.add_argument(
        "--unlabelled",
        action="store_true",
        help="instead: records without a label, those whose label helps a model most first",
    )
    out.add_argument("--format", choices=["csv", "label-studio", "argilla"], default="csv", help="default: %(default)s")
    out.add_argument("--disputed", metavar="TASK", help="of this task the records on which raters disagree")
    back.add_argument(
        "files",
        nargs="+",
        metavar="[HANDLE=]FILE",
        help="a .csv file, or JSON of Label Studio or Argilla; HANDLE or the e-mail address with"
        " which they sign in names the rater, in place of what the file says",
    )
    back.add_argument(
        "--arbiter", nargs="+", default=[], metavar="HANDLE", help="raters who decide where others disagree"
    )
    gone.add_argument("repairs", help="id of the import, judgement or mark (ft annotate status)")
    gone.add_argument("--reason", default="", help="why, in 10 characters or more; no personal data")


def run(arguments: argparse.Namespace) -> int:
    _, use_case, lake = opened(arguments.use_case)
    found, text = ACTIONS[arguments.what](lake, use_case, arguments)
    print(json.dumps(found, indent=1, ensure_ascii=False) if arguments.json else text)
    return 0


def _person(arguments: argparse.Namespace, use_case: Any, action: str = "repair") -> Any:
    """Who does it.

    Raises:
        ConfigError: a person is named who may not.
    """
    from ft_platform.errors import ConfigError
    from ft_platform.people.loading import permissions_of
    from ft_platform.people.person import at_this_machine, named
    from ft_platform.use_case.environment import load_environment

    if not arguments.by.strip():
        return at_this_machine()
    person = named(arguments.by)
    if not (ruling := permissions_of(load_environment()).may(person, action, use_case.name)):
        raise ConfigError([f"{person.name}: {ruling.why}"])
    return person


def _start(lake: Any, use_case: Any, arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ft_platform.evaluation.annotation.tasks import make_task
    from ft_platform.records.columns import SIDES

    told = {"rows": arguments.rows, "sides": arguments.side or SIDES, "order": arguments.order}
    made = make_task(lake, use_case, None, _person(arguments, use_case), **told)
    first = f"{made['task']}: {made['rows']:,} of {made['of']:,} records, {made['order']} first, to judge the"
    return made, f"{first} {made['field']}\nin the browser: portal/annotate?of={use_case.name} (ft ui, ft reports)"


def _export(lake: Any, use_case: Any, arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ft_platform.evaluation.annotation.tasks import make_task, write_again
    from ft_platform.records.columns import SIDES

    of = (lake, use_case, arguments.out, _person(arguments, use_case))
    if unlabelled := _unlabelled(lake, use_case, arguments):
        made = unlabelled(of[-1])
    elif arguments.disputed:
        made = write_again(*of, *_disputed(lake, use_case, arguments.disputed), arguments.format)
    else:
        sides, order = arguments.side or SIDES, arguments.order or "likely-wrong"
        told = {"rows": arguments.rows, "sides": sides, "order": order, "file_format": arguments.format}
        made = make_task(*of, **told)
    first = f"{made['task']}: {made['rows']:,} of {made['of']:,} records, {made['order']} first, to judge the"
    again = f"When two experts have answered: ft annotate import {use_case.name} ana=FILE bo=FILE"
    if arguments.disputed:
        again = f"When the arbiter has answered: ft annotate import {use_case.name} cy=FILE --arbiter cy"
    return made, "\n".join([f"{first} {made['field']}", *made["files"], again])


def _unlabelled(lake: Any, use_case: Any, arguments: argparse.Namespace) -> Any:
    """What writes a task with records that have no label; None where another one is asked for.

    Raises:
        ConfigError: options that do not go together.
    """
    from functools import partial

    from ft_platform.errors import ConfigError
    from ft_platform.evaluation.annotation import unlabelled
    from ft_platform.use_case.environment import load_environment

    of = (lake, load_environment(), use_case, arguments.out)
    if arguments.disputed:
        task, ids = _disputed(lake, use_case, arguments.disputed)
        again = partial(unlabelled.write_unlabelled_again, *of, task=task, only=ids, file_format=arguments.format)
        return again if task.unlabelled else None
    if not arguments.unlabelled:
        if arguments.order == unlabelled.USEFUL:
            raise ConfigError(["--order most-useful is about records without a label: add --unlabelled"])
        return None
    if arguments.side or arguments.order == "likely-wrong":
        raise ConfigError(["records without a label have no side and no wrong label: leave --side and --order out"])
    told = {"rows": arguments.rows, "order": arguments.order or unlabelled.USEFUL, "file_format": arguments.format}
    return partial(unlabelled.make_unlabelled_task, *of, **told)


def _disputed(lake: Any, use_case: Any, name: str) -> tuple[Any, list[str]]:
    """A task, and the records on which its raters disagree.

    Raises:
        DataError: there is no such task.
    """
    from ft_platform.errors import DataError
    from ft_platform.evaluation.annotation.repairs import state_of
    from ft_platform.evaluation.annotation.task import read_task

    task = read_task(lake, use_case, name)
    if task is None:
        raise DataError(f"{use_case.name} has no task {name}", f"See: ft annotate status {use_case.name}")
    return task, state_of(lake, use_case, task)["disputed"]


def _import(lake: Any, use_case: Any, arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ft_platform.evaluation.annotation.answers import read_judgements
    from ft_platform.evaluation.annotation.repairs import add_judgements
    from ft_platform.evaluation.annotation.task import read_task
    from ft_platform.lake.files import locked
    from ft_platform.use_case.environment import load_environment

    files = [(handle, Path(path)) for handle, path in map(_split, arguments.files)]
    found = read_judgements(files, lambda task: read_task(lake, use_case, task))
    arbiters = [_handle(one) for one in arguments.arbiter]
    with locked(load_environment().lock("acting", use_case.name)):  # as the portal, which takes judgements one by one
        told = add_judgements(lake, use_case, found, _person(arguments, use_case), arbiters)
    lines = [f"{told['id']}: {told['accepted']:,} records repaired", *_lines(told)]
    if told["accepted"]:
        lines.append(f"next, to learn from them: ft run {use_case.name}")
    return told, "\n".join(lines)


def _split(file: str) -> tuple[str, str]:
    handle, equals, path = file.partition("=")
    return (_handle(handle), path) if equals and "/" not in handle else ("", file)


def _handle(word: str) -> str:
    """The handle of a rater who is named by it, or by the e-mail address with which they sign in to the portal."""
    from ft_platform.evaluation.annotation.browsing import handle_of
    from ft_platform.people.person import named

    return handle_of(named(word)) if "@" in word else word


def _status(lake: Any, use_case: Any, arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ft_platform.evaluation.annotation.personal_data import in_words, marked
    from ft_platform.evaluation.annotation.repairs import all_states, as_dicts, repairs, standing

    states = all_states(lake, use_case)
    accepted = [
        {**{name: one.said[name] for name in ("id", "person", "at")}, "repairs": len(one.said["repairs"])}
        for one in standing(lake, use_case)
    ]
    found = {"use_case": use_case.name, "tasks": states, "accepted": accepted}
    marks = marked(lake, use_case)
    listed = [{name: value for name, value in vars(one).items() if name != "words"} for one in marks.marks]
    found |= {"repairs": as_dicts(repairs(lake, use_case)), "personal_data": {**marks.figures, "marks": listed}}
    lines = [line for state in states for line in _lines(state)] or ["No records were given to experts."]
    lines += [f"{one['id']}: {one['repairs']:,} repairs, by {one['person']} at {one['at'][:10]}" for one in accepted]
    if marks.marks:
        lines += [
            in_words(marks.figures),
            *(f"{one.id}: {one.kind}, by {one.person} at {one.at[:10]}" for one in marks.marks),
        ]
    return found, "\n".join(lines)


def _lines(state: dict[str, Any]) -> list[str]:
    """A task in words."""
    from ft_platform.evaluation.annotation.settling import agreed_in_words

    judged = ", ".join(f"{rater} {records:,}" for rater, records in state["judged"].items()) or "nobody yet"
    lines = [f"{state['task']}: {state['rows']:,} records to judge the {state['field']}; judged by {judged}"]
    if state["judged"]:
        waiting = f"{len(state['disputed']):,} wait for an arbiter, {state['single']:,} for a second rater"
        lines.append(f"  {state['repaired']:,} repaired, {state['confirmed']:,} confirmed, {waiting}")
        lines.append(f"  {agreed_in_words(state['agreement'])}")
    return lines


def _effect(lake: Any, use_case: Any, arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ft_platform.evaluation.annotation.effect_words import in_words
    from ft_platform.evaluation.annotation.figures import repair_effect

    found = repair_effect(lake, use_case)
    lines = [in_words(found)]
    if found["repaired_test_rows"]:
        lines.append(
            f"{found['repaired_test_rows']:,} of the test records were repaired; both models are judged by them"
        )
    lines.append("one training each: `seed_variation` says how much of it may be luck of the seed")
    return found, "\n".join(lines)


def _revoke(lake: Any, use_case: Any, arguments: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from ft_platform.evaluation.annotation.marks import MARKS, withdraw_mark
    from ft_platform.evaluation.annotation.repairs import withdraw

    is_mark = arguments.repairs.startswith(f"{MARKS}-")
    person = _person(arguments, use_case, "show_again" if is_mark else "repair")
    (withdraw_mark if is_mark else withdraw)(lake, use_case, arguments.repairs, person, arguments.reason)
    told = f"{arguments.repairs} counts no more; next: ft run {use_case.name}"
    return {"revoked": arguments.repairs}, told


ACTIONS = {
    "start": _start,
    "export": _export,
    "import": _import,
    "status": _status,
    "effect": _effect,
    "revoke": _revoke,
}
