"""ft check: every use-case file and its source, all problems at once; and who else may read the private folders, as
warnings."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_platform.onboarding.rehearsal.rehearse import Rehearsal
    from ft_platform.release.duties import Duty
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.settings.environment import Environment

HELP = (
    "Check every use-case file (each problem with file, line, expected and got) and the columns of its source, name"
    " the settings and policy in force, and warn where others may read. For one use case, also run some rows through"
    " the data stages and the training audit, and show what a release will need; nothing is written to the lake."
)
EXAMPLES = ["ft check", "ft check complaint_routing", "ft check --files", "ft check --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "use_case", nargs="?", help=("check check only this one, and rehearse its data stages on some rows")
    )
    parser.add_argument("--files", action="store_true", help="check only the files: opens no source")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError
    from ft_platform.lake.private_folders import problems_of
    from ft_platform.onboarding.rehearsal.file_problems import validate_all
    from ft_platform.redaction.lint import own_code_warnings
    from ft_platform.redaction.settings_file import instance_problems
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import find_use_cases, has_own_component, shown, use_case_folder
    from ft_platform.use_case.settings.environment_file import environment_file

    environment, settings = load_environment(), environment_file()
    defs, only = environment.defs, arguments.use_case
    folders = [use_case_folder(defs, only)] if only else find_use_cases(defs)
    names = [folder.name for folder in folders]
    problems = [*validate_all(defs, environment, only), *instance_problems(environment.dagster_home)]
    warnings: list[str] = []
    if own := [folder for folder in folders if has_own_component(folder)]:
        from ft_platform.orchestration.loading import component_problems

        problems += component_problems(own, environment)
        warnings += [warning for folder in own for warning in own_code_warnings(folder)]
    try:
        warnings += problems_of(environment)
    except ConfigError as error:  # a group that does not exist
        problems += error.problems
    sources: dict[str, Any] = {}
    if not arguments.files:
        for folder in folders:
            if not only and folder.name in environment.identities:
                continue  # its source is for its own account to read
            told = _source(folder, environment, rehearsed=bool(only) and not problems)
            problems += told.pop("problems", [])
            warnings += told.pop("warnings", [])
            sources |= {folder.name: told} if told else {}
    needed = _needed(folders[0], environment, sources.get(only, {})) if only else []
    if arguments.json:
        found = {"settings": str(settings) if settings else None, "policy": environment.policy.title}
        told = {"use_cases": names, "problems": problems, "warnings": warnings, "sources": sources, **found}
        told |= {"release_needs": [one.to_dict() for one in needed]} if only else {}
        print(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        print(
            f"Settings: {shown(settings) if settings else 'no ft_environment.yaml'}. Policy: {environment.policy.title}"
        )
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        for problem in problems:
            print(problem, file=sys.stderr)
        if only and only in sources:
            print(_said(only, sources[only]))
        print(
            f"{len(names)} use case{'' if len(names) == 1 else 's'} in {shown(defs)}: "
            + (f"{len(problems)} problems" if problems else "all load")
        )
        if needed:
            _show_needed(needed)
    return 1 if problems else 0


def _source(folder: Path, environment: "Environment", *, rehearsed: bool) -> dict[str, Any]:
    """What the source of a use case has, what is wrong with it, and how rows fare; empty where the file does not load,
    which is said elsewhere."""
    from ft_platform.errors import ConfigError, FtError
    from ft_platform.onboarding.rehearsal.source_problems import source_hints, source_problems
    from ft_platform.sources.looking import look
    from ft_platform.use_case.file import load_use_case

    try:
        use_case = load_use_case(folder, environment=environment)
    except ConfigError:
        return {}
    try:
        looked = look(use_case.settings.source, environment)
    except FtError as error:
        return {"problems": [_at(use_case, ("source", "uri"), " ".join(str(error).split()))]}
    found: dict[str, Any] = {
        "rows": looked.rows.num_rows,
        "complete": looked.complete,
        "files": looked.files,
        "columns": looked.rows.num_columns,
        "problems": [_at(use_case, place, text) for place, text in source_problems(use_case.settings, looked)],
        "warnings": [f"{use_case.name}: {hint}" for hint in source_hints(use_case.settings, looked)],
    }
    if rehearsed and not found["problems"]:
        from ft_platform.onboarding.rehearsal.rehearse import rehearse

        done: Rehearsal = rehearse(use_case, looked, environment)
        found["records"] = done.records
        found["rehearsal"] = {"rows": done.rows, "kept": done.kept, "removed": done.removed}
        found["problems"] += [f"{use_case.name}: {problem}" for problem in done.problems]
        found["warnings"] += [f"{use_case.name}: {hint}" for hint in done.hints]
    return found


def _needed(folder: Path, environment: "Environment", source: dict[str, Any]) -> "list[Duty]":
    """What a release will need; nothing where the file does not load, which is said elsewhere. Once the source has
    changed, the records that were counted before say nothing.

    Args:
        source: what `_source` says; `records` is taken out of it.
    """
    from ft_platform.errors import ConfigError
    from ft_platform.lake.opening import open_lake
    from ft_platform.release.best_evidence import counted_in
    from ft_platform.release.duties import duties
    from ft_platform.use_case.file import load_use_case

    try:
        use_case = load_use_case(folder, environment=environment)
    except ConfigError:
        return []
    lake, expected = open_lake(environment), source.pop("records", None)
    raw = lake.latest(use_case.name, "raw_records")
    changed = expected and source["complete"] and raw and raw.rows != source["rows"]
    return duties(lake, use_case, expected if changed else counted_in(lake, use_case) or expected)


def _show_needed(needed: "list[Duty]") -> None:
    """A table, what is missing first."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title="\nWhat a release needs", title_justify="left", box=None, pad_edge=False)
    for header in ("need", "", "what is there, or missing", "who, and how long"):
        table.add_column(header, overflow="fold", ratio={"need": 2, "": 1}.get(header, 4))
    for one in sorted(needed, key=lambda one: not one.refuses):
        why = f"{one.why} {one.next_step}".strip()
        who = f"{one.who}: {one.takes}" if one.who else ""
        table.add_row(Text(one.rule.split("@")[0] or one.needed), one.state, Text(why), Text(who))
    Console(highlight=False).print(table)


def _at(use_case: "NamedUseCase", place: tuple[str | int, ...], text: str) -> str:
    """A problem with its place in the file."""
    from ft_platform.commands import shortened
    from ft_platform.use_case.file import FILE_NAME, shown
    from ft_platform.use_case.yaml_file import read_yaml

    path = use_case.path or Path()
    file = path / FILE_NAME if path.is_dir() else path
    return f"{shortened(text)} ({shown(file)}:{read_yaml(file).line_of(('attributes', *place))})"


def _said(name: str, one: dict[str, Any]) -> str:
    """A line about the source of a use case, and one about its rehearsal."""
    rows = f"{one['rows']:,} rows{'' if one['complete'] else ' looked at'}, {one['columns']} columns"
    lines = [f"{name}: {rows}"]
    if done := one.get("rehearsal"):
        kept = ", ".join(f"{stage} {count:,}" for stage, count in done["kept"].items())
        lines.append(f"  of {done['rows']:,} rows run through: {kept}")
        reasons = {reason: count for of in done["removed"].values() for reason, count in of.items()}
        if reasons:
            lines.append(f"  removed: {', '.join(f'{reason} {count:,}' for reason, count in reasons.items())}")
    return "\n".join(lines)
