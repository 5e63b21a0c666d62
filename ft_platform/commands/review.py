"""ft review: experts compare answers in the portal or on blinded sheets, and what they said."""

import argparse
import json
from pathlib import Path
from typing import Any

from ft_platform.commands import count, opened

HELP = "Let experts compare the fine-tuned model's answers with others, in the portal or on sheets that are mailed."
EXAMPLES = [
    "ft review start complaint_routing",
    "ft review start complaint_routing --rows 60 --raters domain_expert --criterion 'correct: wrong | right'",
    "ft review status complaint_routing --json",
    "ft review publish complaint_routing",
    'ft review drop complaint_routing --reason "Started with the wrong alternative"',
    "ft review export complaint_routing --out sheets",
    "ft review export complaint_routing --rows 100 --raters 3 --format csv --alternative base_zero_shot --out sheets",
    "ft review import complaint_routing answers_rater_1.csv answers_rater_2.csv --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", metavar="<start|status|publish|drop|export|import>", required=True)
    start = what.add_parser("start", help="let experts judge the answers of the newest evaluation in the portal")
    state = what.add_parser("status", help="how far the review in the portal is, and whether it may end")
    end = what.add_parser("publish", help="end the review in the portal and publish it")
    gone = what.add_parser("drop", help="end the review in the portal without a report, and remove all judgements")
    out = what.add_parser("export", help="write one sheet for each rater; which answer is whose stays in the lake")
    out.add_argument("use_case", help="name of the use case (ft list)")
    out.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder for the sheets; existing files are never replaced",
    )
    out.add_argument(
        "--rows",
        type=int,
        default=50,
        metavar="N",
        help="most records in a sheet, chosen at random from those with different answers (default 50)",
    )
    out.add_argument(
        "--raters", type=int, default=2, metavar="N", help="sheets to write, one for each rater (default 2)"
    )
    out.add_argument(
        "--format",
        choices=["csv", "html"],
        default="html",
        help="html: a page that works without a server or network (default)",
    )
    out.add_argument(
        "--alternative",
        default="base_few_shot",
        metavar="SYSTEM",
        help="system of the evaluation to compare with (default base_few_shot)",
    )
    back = what.add_parser("import", help="read all filled-in sheets of one export and publish the review")
    back.add_argument("use_case", help="name of the use case (ft list)")
    back.add_argument("files", nargs="+", type=Path, metavar="FILE", help="filled-in .csv files of all raters")
    start.add_argument(
        "--rows",
        type=count,
        default=100,
        metavar="N",
        help="most records; it may end earlier. Three of four reviews of 60 show that 70 %% of the answers are better"
        " (default: %(default)s)",
    )
    start.add_argument(
        "--alternative",
        default="base_few_shot",
        metavar="SYSTEM",
        help="system of the evaluation to compare with (default: %(default)s)",
    )
    start.add_argument(
        "--raters", nargs="+", default=[], metavar="WHO", help="e-mail addresses or roles (default: who may judge)"
    )
    start.add_argument(
        "--criterion",
        action="append",
        default=[],
        metavar="'NAME: 1 | 5'",
        help="what both answers get a score from 1 to 5 for, and what 1 and 5 mean; up to 6 times",
    )
    gone.add_argument("--reason", default="", help="why, in 10 characters or more; no personal data")
    for one in (start, state, end, gone):
        one.add_argument("use_case", help="name of the use case (ft list)")
    for one in (start, end, gone):
        one.add_argument("--by", default="", help="e-mail address of who does it (default: the account)")
    for one in (start, state, end, gone, out, back):
        one.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:

    _, use_case, lake = opened(arguments.use_case)
    found = ACTIONS[arguments.what](lake, use_case, arguments)
    print(json.dumps(found["json"], indent=1) if arguments.json else found["text"])
    return 0


def _export(lake: Any, use_case: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    from ft_platform.reporting.publishing.review_sheets import export_sheets

    made = export_sheets(
        lake, use_case, arguments.out, arguments.rows, arguments.raters, arguments.format, arguments.alternative
    )
    lines = [
        (
            f"{made['sheet']} of evaluation {made['evaluation']}: {made['rows']} of {made['differing_rows']} records"
            " whose answers differ"
        ),
        *made["files"],
        f"Give each rater one file. When they are back: ft review import {use_case.name} FILE...",
    ]
    return {"json": made, "text": "\n".join(lines)}


def _start(lake: Any, use_case: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    from ft_platform.evaluation.review.online import criteria_in, start_review

    told = {"alternative": arguments.alternative, "most": arguments.rows, "raters": arguments.raters}
    person, permissions = _person(arguments, use_case)
    review = start_review(lake, use_case, person, permissions, **told, criteria=criteria_in(arguments.criterion))
    lines = [
        f"{review.id} of evaluation {review.said['evaluation']}: at most {review.most} records",
        f"Raters judge in the portal: .../review?of={use_case.name}",
        f"How far it is: ft review status {use_case.name}",
    ]
    shown = {name: value for name, value in review.said.items() if name not in ("secret", "signature", "key")}
    return {"json": shown, "text": "\n".join(lines)}


def _status(lake: Any, use_case: Any, _arguments: argparse.Namespace) -> dict[str, Any]:
    from ft_platform.evaluation.review.figures import online_figures
    from ft_platform.evaluation.review.online import require_open
    from ft_platform.reporting.review_report import END_WORDS

    review = require_open(lake, use_case)
    said = review.judgements.all()
    stand = review.standing(said)
    found = {"review": review.id, "judgements": len(said), "records": stand.records, "most": review.most}
    figures = online_figures(review, said, use_case.settings.evaluation) if stand.records else None
    lines = [
        f"{review.id}: {len(said)} judgements by {len(review.judgements.raters())} raters; {stand.records} of at most"
        f" {review.most} records count so far"
    ]
    if rate := stand.win_rate:
        lines.append(f"win rate {rate['value']:.3f} ({rate['low']:.3f} to {rate['high']:.3f}), a tie counts half")
    lines.append(END_WORDS[stand.end])
    if stand.end:
        lines.append(f"next: ft review publish {use_case.name}")
    return {"json": {**found, "end": stand.end, "figures": figures}, "text": "\n".join(lines)}


def _publish(lake: Any, use_case: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    from ft_platform.reporting.publishing.review import publish_review

    person, _ = _person(arguments, use_case)
    return _reported(lake, use_case, *publish_review(lake, use_case, person))


def _drop(lake: Any, use_case: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    from ft_platform.evaluation.review.online import drop

    person, _ = _person(arguments, use_case)
    review = drop(lake, use_case, person, arguments.reason)
    return {"json": {"dropped": review}, "text": f"{review} is dropped, and its judgements are removed"}


def _person(arguments: argparse.Namespace, use_case: Any) -> tuple[Any, Any]:
    """Who does it, and who may what.

    Raises:
        ConfigError: a person is named who may not.
    """
    from ft_platform.errors import ConfigError
    from ft_platform.people.loading import permissions_of
    from ft_platform.people.person import at_this_machine, named
    from ft_platform.use_case.environment import load_environment

    permissions = permissions_of(load_environment())
    if not arguments.by.strip():
        return at_this_machine(), permissions
    person = named(arguments.by)
    if not (ruling := permissions.may(person, "start_reports", use_case.name)):
        raise ConfigError([f"{person.name}: {ruling.why}"])
    return person, permissions


def _import(lake: Any, use_case: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    from ft_platform.reporting.publishing.review import import_answers

    return _reported(lake, use_case, *import_answers(lake, use_case, arguments.files))


def _reported(lake: Any, use_case: Any, report: Any, found: dict[str, Any]) -> dict[str, Any]:
    """What a published review says."""
    from ft_platform.evaluation.pairs import newest_evaluation
    from ft_platform.reporting.review_report import review_sentences

    newest = newest_evaluation(lake, use_case).id == found["evaluation"]
    lines = [
        report.id,
        *(sentence["text"] for sentence in review_sentences(found)),
        f"Report: {report.uri}/report.html",
    ]
    if not newest:
        lines.append("There is a newer evaluation. This review covers only the answers of the older one.")
    return {
        "json": {"review": report.id, "report": f"{report.uri}/report.html", "of_newest_evaluation": newest, **found},
        "text": "\n".join(lines),
    }


ACTIONS = {
    "start": _start,
    "status": _status,
    "publish": _publish,
    "drop": _drop,
    "export": _export,
    "import": _import,
}
