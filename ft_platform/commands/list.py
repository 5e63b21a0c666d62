"""ft list: the use cases of this installation, what each is now, and how its last run ended."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_platform.orchestration.runs import LastRun
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.settings.environment import Environment

HELP = "List the use cases: what each is now, how the last run ended, whether a release was accepted, the last figure."
EXAMPLES = ["ft list", "ft list --json"]
ELSEWHERE = "elsewhere"
"""The state of a use case that has an account and an installation of its own (`identities`)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.orchestration.identities import is_served_here
    from ft_platform.orchestration.runs import last_runs
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import find_use_cases

    environment = load_environment()
    folders = find_use_cases(environment.defs)
    runs = last_runs(environment, [folder.name for folder in folders])
    cases = {folder.name: _loaded(environment, folder) for folder in folders}
    rows = [
        (
            {
                **_row(folder, cases[folder.name], runs[folder.name].state),
                **_release(environment, folder.name, cases[folder.name], runs[folder.name]),
                "ended_at": runs[folder.name].ended_at,
            }
            if is_served_here(environment, folder.name)
            else {
                **_row(folder, cases[folder.name], ELSEWHERE),
                "state": ELSEWHERE,
                "state_words": "",
                "decision": None,
                "decision_of_last_run": False,
                "ended": ELSEWHERE,
                "metric": None,
                "value": None,
                "ended_at": None,
            }
        )
        for folder in folders
    ]
    if arguments.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    widths = {name: max((len(row[name]) for row in rows), default=0) for name in ("use_case", "state", "ended")}
    figure = max((len(_figure(row)) for row in rows), default=0)
    for row in rows:
        print(
            f"{row['use_case']:<{widths['use_case']}}  {row['task'] or '-':<14}  {row['state']:<{widths['state']}}  "
            f"{row['ended']:<{widths['ended']}}  {_figure(row):<{figure}}  {row['description']}"
        )
    if not rows:
        print("There is no use case yet. Write one with: ft new <name>")
    return 0


def _figure(row: dict[str, Any]) -> str:
    """The last figure: `macro_f1 0.868`."""
    return "-" if row["value"] is None else f"{row['metric']} {row['value']:.3f}"


def _loaded(environment: "Environment", folder: Path) -> "NamedUseCase | list[str]":
    """A use case, or what is wrong with its file."""
    from ft_platform.errors import ConfigError
    from ft_platform.use_case.file import load_use_case

    try:
        return load_use_case(folder, environment=environment)
    except ConfigError as error:
        return error.problems


def _release(
    environment: "Environment", name: str, case: "NamedUseCase | list[str]", last: "LastRun"
) -> dict[str, Any]:
    """`state` and `state_words`: what it is now; `decision` (`accepted`, `refused`, `ended`, `unreadable` or None),
    whether the last run made it, and all of it in words beside how that run ended; `metric` and `value` of the newest
    evaluation."""
    from ft_platform.errors import CorruptVersion, FtError
    from ft_platform.lake.opening import open_lake
    from ft_platform.lake.snapshot import Snapshot
    from ft_platform.reporting.published import headline
    from ft_platform.reporting.use_case_state import UNKNOWN, state_of

    decided = last.outcome.artifacts.get("release_decision") if last.outcome and not last.unfinished else None
    try:
        lake = Snapshot(open_lake(environment))
        evaluation = next(iter(lake.artifacts(name, "evaluation_report")), None)
        state = state_of(lake, name, None if isinstance(case, list) else case)
    except FtError:  # an object store that is out of reach: how the run ended is known all the same
        ended = f"{last.state}, release decision cannot be read"
        told = {"decision": "unreadable", "decision_of_last_run": False, "ended": ended, "metric": None, "value": None}
        return {"state": UNKNOWN, "state_words": "", **told}
    try:
        figure, damaged = headline(lake, evaluation), ""
    except CorruptVersion:
        figure, damaged = {"metric": None, "value": None}, ", evaluation report is damaged"
    about, found = {"state": state.name, "state_words": state.words, **figure}, state.standing
    if found is None:
        return {"decision": None, "decision_of_last_run": False, "ended": f"{last.state}{damaged}", **about}
    is_own = found.id == decided
    words = f"{last.state}, {found.words}" if is_own else f"{last.state} (earlier: {found.words})"
    return {"decision": found.state, "decision_of_last_run": is_own, "ended": words + damaged, **about}


def _row(folder: Path, case: "NamedUseCase | list[str]", state: str) -> dict[str, Any]:
    if isinstance(case, list):
        description = f"does not load ({len(case)} problems): see ft check"
        return {"use_case": folder.name, "task": None, "source": None, "last_run": state, "description": description}
    settings = case.settings
    return {
        "use_case": folder.name,
        "task": settings.task.kind,
        "source": settings.source.uri,
        "last_run": state,
        "description": settings.description,
    }
