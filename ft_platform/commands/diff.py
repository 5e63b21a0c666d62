"""ft diff: what a stage changed in the texts, before and after, for people who may see restricted data."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from ft_platform.commands import count
from ft_platform.commands.looking import Viewing, add_look_arguments, require_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from ft_platform.cleaning.differences import ChangedRecord

HELP = (
    "Show texts before and after a stage changed them, as ft look shows records: for a stated purpose, on a terminal;"
    " --json has ids, kinds and hashes."
)
EXAMPLES = [
    "ft diff complaint_routing cleaned --by dora.hart@example.org --purpose data_quality --reason 'Ticket 4711'",
    "ft diff complaint_routing cleaned --by dora.hart@example.org --sample 50 --kind unicode --seed 1",
    "ft diff complaint_routing cleaned --json",
]
STAGES = {"cleaned": "cleaned_records"}
KINDS = ("unicode", "html", "whitespace", "boilerplate")
"""`cleaning.repair.KINDS`, without loading what repairs."""
STYLES = {"same": "", "removed": "red strike", "added": "green"}
MARKS = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
"""As `wdiff` marks words, so that it can be read without colours."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("stage", choices=[*STAGES], help="the stage that changed the texts")
    parser.add_argument("--sample", type=count, default=20, metavar="N", help="how many records (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed shows the same records (default 0)")
    parser.add_argument("--kind", choices=KINDS, help="only records with this kind of change")
    parser.add_argument(
        "--context", type=count, default=80, metavar="N", help="unchanged characters shown around a change (default 80)"
    )
    add_look_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print ids, kinds and hashes, no texts")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.cleaning.differences import refused_without_access, sample_of_changes
    from ft_platform.errors import DataError
    from ft_platform.lake.opening import open_lake
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import use_case_folder

    environment = load_environment()
    if not arguments.json:
        require_terminal(environment)
    use_case_folder(environment.defs, arguments.use_case)
    lake = open_lake(environment)
    asset = STAGES[arguments.stage]
    with refused_without_access(lake, arguments.use_case):
        version = lake.latest(arguments.use_case, asset)
        if version is None:
            raise DataError(f"{arguments.use_case} has no {asset} yet", f"Run it first: ft run {arguments.use_case}")
    sample = (arguments.use_case, asset, version.id, arguments.sample)
    viewing = None if arguments.json else Viewing(arguments, environment, lake, *sample)
    with refused_without_access(lake, arguments.use_case):
        records = sample_of_changes(lake, version, arguments.sample, arguments.seed, arguments.kind)
        changed = {name: count for name, count in lake.manifest(version).counts.items() if name.startswith("changed_")}
    if viewing is None:
        print(
            json.dumps(
                {
                    "use_case": arguments.use_case,
                    "version": version.id,
                    "seed": arguments.seed,
                    **changed,
                    "records": _described(records),
                },
                indent=1,
            )
        )
        return 0
    for page in viewing.pages(records, lambda record: record.record_id):
        _show(page, arguments.context)
    if not records:
        print("No text was changed in this way.")
    return 0


def _described(records: "list[ChangedRecord]") -> list[dict[str, Any]]:
    return [
        {
            "record_id": r.record_id,
            "changes": r.changes,
            "sha256_before": r.sha256_before,
            "sha256_after": r.sha256_after,
        }
        for r in records
    ]


def _show(records: "Sequence[ChangedRecord]", context: int) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    for record in records:
        console.print(f"record {record.record_id}  {', '.join(record.changes)}", style="bold", markup=False)
        for message in record.messages:
            console.print(f"{message.role}:", markup=False)
            console.print(marked(message.before, message.after, context))
        console.print()


def marked(before: str, after: str, context: int) -> "Text":
    """Both texts as one, changes marked; of what stayed only `context` characters before and after a change."""
    from rich.text import Text

    from ft_platform.cleaning.differences import spans

    found = spans(before, after)
    text = Text()
    for place, (kind, words) in enumerate(found):
        if kind == "same":
            words = _shortened(words, context if place else 0, context if place < len(found) - 1 else 0)
        opening, closing = MARKS[kind]
        text.append(f"{opening}{words}{closing}", STYLES[kind])
    return text


def _shortened(text: str, head: int, tail: int) -> str:
    """The first and the last characters of a long text."""
    if len(text) <= head + tail + 3:
        return text
    return f"{text[:head]} … {text[len(text) - tail :] if tail else ''}"
