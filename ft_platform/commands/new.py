"""ft new: the file of a new use case, from a source or on sample data."""

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ft_platform.onboarding.proposal.draft import Answers, Ask, Draft
    from ft_platform.onboarding.proposal.propose import Proposal
    from ft_platform.onboarding.proposal.questions import Question
    from ft_platform.sources.looking import Looked
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.settings.environment import Environment

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
    from ft_platform.errors import ConfigError
    from ft_platform.onboarding.proposal.questions import OPEN
    from ft_platform.use_case.environment import load_environment
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
        from ft_platform.onboarding.proposal.draft import draft

        stated = parse_overrides(arguments.stated)
        wanted = {"every_field": arguments.all, "ask": None if arguments.json else _ask(stated)}
        found = draft(arguments.name, arguments.source, environment, stated, arguments.kind, **wanted)
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
            {p.removeprefix("record."): v for p, v in found.proposal.values.items() if p.startswith("record.") and v}
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
            question = found.proposal.why[one].removeprefix(OPEN)
            print(f"You must answer this, or no record is used: {one} ({path}:{line}): {question}")
    if found and (open_ := text.count(f"# {OPEN}")):
        print(f"Questions that are still open: {open_}. Each is marked with {OPEN.strip()} in {path}")
    for proposal in _proposals(folder, environment, found.answers if found else None):
        print(proposal)
    print(f"Then: ft check {arguments.name} && ft run {arguments.name} --until data_report")
    return 0


def _ask(stated: "Mapping[str, Any]") -> "Ask | None":
    """Asks at the terminal what only people know; None: nobody sits there."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None

    def ask(made: "Proposal", looked: "Looked") -> "Answers":
        from pathlib import Path

        from ft_platform.onboarding.proposal.draft import Answers
        from ft_platform.onboarding.proposal.questions import questions
        from ft_platform.process.account import this_account
        from ft_platform.process.git import git

        print("What only you can say. Enter takes what stands in brackets, or leaves the question open.")
        given: dict[str, Any] = {}
        answered = dict(stated)
        person = (git(Path.cwd(), "config", "user.email") or "").strip()
        for question in questions(made, looked, answered, person):
            try:
                fields = _answer(question)
            except EOFError:
                break
            given |= fields
            answered |= fields
        return Answers(given, given.get("owners.accountable") or this_account())

    return ask


def _answer(question: "Question") -> "dict[str, Any]":
    """The fields that an answer fills; none where it is left open."""
    from ft_platform.onboarding.proposal.questions import Unclear

    print(f"\n{question.asks}")
    while True:
        print(f"[{question.proposed}] " if question.proposed else "> ", end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        text = line.strip() or question.proposed
        try:
            return question.fields(text) if text else {}
        except Unclear as unclear:
            print(f"{unclear}. Enter leaves it as it is.")


def _proposals(folder: "Path", environment: "Environment", answers: "Answers | None") -> list[str]:
    """Answers that count only once somebody approves them, as the policy asks, and those that are approvals."""
    from ft_platform.errors import ConfigError
    from ft_platform.people.deciders import deciders
    from ft_platform.release.policy import unapproved
    from ft_platform.use_case.file import load_use_case

    try:
        use_case = load_use_case(folder, environment=environment)
    except ConfigError:
        return []
    lines, approved = _approved(use_case, environment, answers) if answers else ([], [])
    who = (
        ", ".join(deciders("compliance", use_case, use_case.people)) or "a person of compliance, whom nobody names yet"
    )
    needed = [path for path in unapproved(use_case) if path not in approved]
    return lines + [f"A proposal, until it is approved for a trained model by {who}: {path}" for path in needed]


def _approved(use_case: "NamedUseCase", environment: "Environment", answers: "Answers") -> tuple[list[str], list[str]]:
    """Records those answers as approvals that their person may give. Returns what to say, and the fields."""
    from ft_platform.commands.who import person_of
    from ft_platform.errors import FtError
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.audit_log.opening import audit_log_of
    from ft_platform.release.answers import approvable, approve
    from ft_platform.release.waivers import unconfirmed

    if not (fields := list(approvable(use_case, answers.values, answers.person))):
        return [], []
    lake = open_lake(environment)
    log = audit_log_of(lake, {use_case.name: use_case.path} if use_case.path else {})
    print(f"Your answers to {', '.join(fields)} can be your approval of them.")
    try:
        person = person_of(environment, log, answers.person, environment.policy.signatures.signed_in)
        approved = approve(lake, use_case, fields, person)
    except FtError as error:
        return [f"They are none: {error.message}."], []
    waiting = {one.rule.split("@")[0]: one.id for one in unconfirmed(lake, use_case, datetime.now(UTC).date())}
    told = []
    for path in approved:
        waiver = waiting.get(f"approval/{path}")
        once = f", once a second person confirms it: ft waiver confirm {use_case.name} {waiver}" if waiver else ""
        told.append(f"Approved by {person.name} with the answer{once}: {path}")
    return told, approved


def _show(found: "Draft") -> None:
    """What was seen, without a value; the reasons stand in the file."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ft_platform.onboarding.proposal.shapes import HEADERS, shape_of

    table = Table(title="Columns, and the characters of five rows", title_justify="left", box=None, pad_edge=False)
    for header in HEADERS:
        right = header in ("empty", "different", "characters")
        table.add_column(header, justify="right" if right else "left", overflow="fold")
    for row in shape_of(found.proposal.columns, found.looked.rows, found.proposal.roles()):
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)
