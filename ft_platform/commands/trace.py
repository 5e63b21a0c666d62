"""ft trace: from a record to the checkpoints that saw it, and from a checkpoint back to its source files."""

import argparse
import json
from collections.abc import Callable
from typing import Any

HELP = (
    "Follow a record or a person to the checkpoints that saw it, or a checkpoint back to its sources. Prints hashes,"
    " reasons and counts, never a text."
)
EXAMPLES = [
    "ft trace record <record_id>",
    "ft trace checkpoint <checkpoint_id> --json",
    "ft trace record complaint_routing <id_in_the_source>",
    "ft trace subject <id_of_a_person> --json",
    "ft trace subject -",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "ft trace [-h] [--json] {record,checkpoint,subject} [use_case] id"
    choices = ["record", "checkpoint", "subject"]
    parser.add_argument("what", choices=choices, help="what the id belongs to; a person's id needs the pseudonym key")
    parser.add_argument(
        "words",
        nargs="+",
        metavar="[use_case] id",
        help=(
            "record_id (or the source's own id), or checkpoint id (its first characters are enough); without a use case"
            " all are searched; a person's id, or `-` for one on standard input, which keeps it out of the shell's"
            " history"
        ),
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.commands.terminal import print_checkpoint_trace, print_record_trace, print_subject_trace
    from ft_platform.lake.provenance import trace_checkpoint, trace_record

    if arguments.what == "subject":
        found, show = _find_subject(arguments.words), print_subject_trace
    elif arguments.what == "record":
        found, show = _find("record", arguments.words, trace_record), print_record_trace
    else:
        found, show = _find("checkpoint", arguments.words, trace_checkpoint), print_checkpoint_trace
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        show(found)
    return 0


def _find(what: str, words: list[str], trace: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The trace of an id in the use case that is named, or in the only one that has it."""
    from ft_platform.errors import ConfigError, DataError
    from ft_platform.lake.opening import open_lake
    from ft_platform.lake.provenance import NotTraced
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import find_use_cases, use_case_folder

    if len(words) > 2:
        raise ConfigError([f"expected one id, or a use case and an id, got {len(words)} words"])
    environment = load_environment()
    lake = open_lake(environment)
    # What was trained from a use case that has left the folder must be found as well.
    names = sorted({*(folder.name for folder in find_use_cases(environment.defs)), *_names_in(lake)})
    *named, wanted = words
    if named:
        if named[0] not in names:
            use_case_folder(environment.defs, named[0])
        return trace(lake, named[0], wanted)
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        try:
            found[name] = trace(lake, name, wanted)
        except NotTraced:
            continue
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        commands = " or ".join(f"ft trace {what} {name} ..." for name in found)
        raise DataError(f"{', '.join(found)} each have a {what} with this id", f"Name the use case: {commands}")
    raise DataError(_not_found(lake, what, wanted, names), f"Searched: {', '.join(names) or 'no use case'}")


def _find_subject(words: list[str]) -> dict[str, Any]:
    """Everything that holds rows of a person, in the use case that is named or in all."""
    import sys

    from ft_platform.errors import ConfigError, DataError
    from ft_platform.lake.opening import open_lake
    from ft_platform.lake.subjects import merged, require_access, trace_subject
    from ft_platform.privacy.pseudonyms import subject_pseudonyms
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import find_use_cases, use_case_folder

    *named, wanted = words
    wanted = (sys.stdin.readline() if wanted == "-" else wanted).strip()
    if len(words) > 2 or not wanted:
        raise ConfigError([f"expected the id of one person, or a use case and an id, got {len(words)} words"])
    environment = load_environment()
    lake = open_lake(environment)
    require_access(lake)
    names = sorted({*(folder.name for folder in find_use_cases(environment.defs)), *_names_in(lake)})
    if named and named[0] not in names:
        use_case_folder(environment.defs, named[0])
    found = merged(
        (name, trace_subject(lake, name, wanted, subject_pseudonyms(environment, name, wanted).values()))
        for name in named or names
    )
    if not found["versions"]:
        left_out = (
            f"; not searched, because their records name no person: {', '.join(found['not_searched'])}"
            if found["not_searched"]
            else ""
        )
        problem = "no version has rows of this person"
        raise DataError(problem, f"Searched: {', '.join(found['searched']) or 'no use case'}{left_out}")
    return found


def _not_found(lake: Any, what: str, wanted: str, names: list[str]) -> str:
    """Says that no use case has it. A record's id is not repeated: it may be the source's own."""
    if what == "record":
        return "no version of raw_records in any use case contains this record"
    from ft_platform.use_case.problems import did_you_mean

    known = [checkpoint.artifact_id for name in names for checkpoint in lake.artifacts(name, "adapter_checkpoint")]
    return f"no use case has a checkpoint {wanted!r}{did_you_mean(wanted, known)}".removesuffix("?")


def _names_in(lake: Any) -> set[str]:
    """Use cases that have something in the lake."""
    folders = [lake.uri(zone, "") for zone in ("restricted", "shared")]
    return {
        path.rstrip("/").rsplit("/", 1)[-1]
        for folder in folders
        if lake.fs.exists(folder)
        for path in lake.fs.ls(folder, detail=False)
    }
