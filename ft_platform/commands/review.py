"""ft review: blinded sheets for experts, and what they said about the answers."""

import argparse
import json
from pathlib import Path
from typing import Any

from ft_platform.commands import opened

HELP = "Let experts compare the fine-tuned model's answers with others: export blinded sheets, import judgements."
EXAMPLES = [
    "ft review export complaint_routing --out sheets",
    "ft review export complaint_routing --rows 100 --raters 3 --format xlsx --alternative base_zero_shot --out sheets",
    "ft review import complaint_routing answers_rater_1.csv answers_rater_2.csv --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", metavar="<export|import>", required=True)
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
        choices=["csv", "xlsx", "html"],
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
    back.add_argument("files", nargs="+", type=Path, metavar="FILE", help="filled-in .csv or .xlsx files of all raters")
    for one in (out, back):
        one.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:

    _, use_case, lake = opened(arguments.use_case)
    found = (_export if arguments.what == "export" else _import)(lake, use_case, arguments)
    print(json.dumps(found["json"], indent=1) if arguments.json else found["text"])
    return 0


def _export(lake: Any, use_case: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    from ft_platform.publishing.review_sheets import export_sheets

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


def _import(lake: Any, use_case: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    from ft_platform.evaluation.pairs import newest_evaluation
    from ft_platform.publishing.review import import_answers
    from ft_platform.reporting.review_report import review_sentences

    report, found = import_answers(lake, use_case, arguments.files)
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
