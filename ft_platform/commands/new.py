"""ft new: the file of a new use case, from a source or on sample data."""

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ft_platform.proposal.draft import Draft

HELP = "Write the file of a new use case: from a look at your data (--source), or on sample data."
EXAMPLES = [
    "ft new intents --source train.csv",
    "ft new intents --source train.csv --set governance.licence=CC-BY-4.0",
    "ft new claims --source postgresql://reader@db.example.org/claims --set source.table=public.claims",
    "ft new support_answers --kind generation",
    "ft new contract_questions --all",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name of the use case: lower case letters, digits and `_`")
    parser.add_argument(
        "--source",
        metavar="FILE",
        help="look at this file, folder, bucket or database, and propose what its columns mean; shows no value",
    )
    parser.add_argument(
        "--kind",
        choices=["classification", "generation"],
        help="what the model answers: a label or free text (default: depends on the source, else classification)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        dest="stated",
        help="with --source: set a field instead of having it proposed; may be repeated",
    )
    parser.add_argument("--all", action="store_true", help="write every field with its explanation")
    parser.add_argument("--json", action="store_true", help="print JSON: path, lines, record, why, notes")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.errors import ConfigError
    from ft_platform.use_case.file import FILE_NAME, parse_overrides, shown
    from ft_platform.use_case.scaffold import check_name, scaffold_yaml

    check_name(arguments.name)
    environment = load_environment()
    folder = environment.writable_defs / arguments.name
    if folder.exists():
        raise ConfigError([f"{shown(folder)} already exists"], "Choose another name, or edit it")
    if arguments.stated and not arguments.source:
        raise ConfigError(["--set needs --source"], "Edit the file, or add --source")
    found = None
    if arguments.source:
        from ft_platform.proposal.draft import draft

        stated = parse_overrides(arguments.stated)
        found = draft(arguments.name, arguments.source, environment, stated, arguments.kind, every_field=arguments.all)
    text = (
        found.text
        if found
        else scaffold_yaml(arguments.name, arguments.kind or "classification", every_field=arguments.all)
    )
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    path, lines = shown(folder / FILE_NAME), text.count("\n")
    if arguments.json:
        record = (
            {p.removeprefix("record."): v for p, v in found.proposal.values.items() if p.startswith("record.")}
            if found
            else {}
        )
        told = {"why": found.proposal.why if found else {}, "notes": found.proposal.notes if found else []}
        print(json.dumps({"path": path, "lines": lines, "record": record, **told}, indent=1, ensure_ascii=False))
        return 0
    if found:
        _show(found)
    print(f"{path} is written: {lines} lines.")
    for note in found.proposal.notes if found else ():
        print(f"Note: {note}")
    if found and found.proposal.asked:
        where = text.splitlines()
        for one in found.proposal.asked:
            line = next(n for n, said in enumerate(where, 1) if said.strip().startswith(f"{one.rsplit('.')[-1]}:"))
            print(f"You must answer this, or no record is used: {one} ({path}:{line}): {found.proposal.why[one]}")
    print(f"Then: ft check {arguments.name} && ft run {arguments.name} --until data_report")
    return 0


def _show(found: "Draft") -> None:
    """What was seen, without a value; the reasons stand in the file."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ft_platform.proposal.shapes import HEADERS, shape_of

    table = Table(title="Columns, and the characters of five rows", title_justify="left", box=None, pad_edge=False)
    for header in HEADERS:
        right = header in ("empty", "different", "characters")
        table.add_column(header, justify="right" if right else "left", overflow="fold")
    for row in shape_of(found.proposal.columns, found.looked.rows, found.proposal.roles()):
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)
