"""ft list: the use cases of this installation, how their last run ended, and whether a release was accepted."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ft_platform.orchestration.runs import LastRun
    from ft_platform.settings.environment import Environment

HELP = "List the use cases: how the last run ended, whether a release was accepted, the last figure."
EXAMPLES = ["ft list", "ft list --json"]
ELSEWHERE = "elsewhere"
"""The state of a use case that has an account and an installation of its own (`identities`)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.orchestration.identities import is_served_here
    from ft_platform.orchestration.runs import last_runs
    from ft_platform.use_case.file import find_use_cases

    environment = load_environment()
    folders = find_use_cases(environment.defs)
    runs = last_runs(environment, [folder.name for folder in folders])
    rows = [
        (
            {
                **_row(environment, folder, runs[folder.name].state),
                **_release(environment, folder.name, runs[folder.name]),
                "ended_at": runs[folder.name].ended_at,
            }
            if is_served_here(environment, folder.name)
            else {
                **_row(environment, folder, ELSEWHERE),
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
    width, ended = (max((len(row[name]) for row in rows), default=0) for name in ("use_case", "ended"))
    figure = max((len(_figure(row)) for row in rows), default=0)
    for row in rows:
        print(
            f"{row['use_case']:<{width}}  {row['task'] or '-':<14}  {row['ended']:<{ended}}  {_figure(row):<{figure}} "
            f" {row['description']}"
        )
    if not rows:
        print("There is no use case yet. Write one with: ft new <name>")
    return 0


def _figure(row: dict[str, Any]) -> str:
    """The last figure: `macro_f1 0.868`."""
    return "-" if row["value"] is None else f"{row['metric']} {row['value']:.3f}"


def _release(environment: "Environment", name: str, last: "LastRun") -> dict[str, Any]:
    """`decision` (`accepted`, `refused`, `ended`, `unreadable` or None), whether the last run made it, and all of it in
    words beside how that run ended; `metric` and `value` of the newest evaluation."""
    from ft_platform.errors import CorruptVersion, FtError
    from ft_platform.lake.opening import open_lake
    from ft_platform.release.standing import newest_standing
    from ft_platform.reporting.published import headline

    decided = last.outcome.artifacts.get("release_decision") if last.outcome and not last.unfinished else None
    try:
        lake = open_lake(environment)
        found = newest_standing(lake, name, decided)
    except FtError:  # an object store that is out of reach: how the run ended is known all the same
        ended = f"{last.state}, release decision cannot be read"
        return {"decision": "unreadable", "decision_of_last_run": False, "ended": ended, "metric": None, "value": None}
    try:
        figure, damaged = headline(lake, name), ""
    except CorruptVersion:
        figure, damaged = {"metric": None, "value": None}, ", evaluation report is damaged"
    if found is None:
        return {"decision": None, "decision_of_last_run": False, "ended": f"{last.state}{damaged}", **figure}
    words = f"{last.state}, {found.words}" if decided else f"{last.state} (earlier: {found.words})"
    words += damaged
    return {"decision": found.state, "decision_of_last_run": bool(decided), "ended": words, **figure}


def _row(environment: "Environment", folder: Path, state: str) -> dict[str, Any]:
    from ft_platform.errors import ConfigError
    from ft_platform.use_case.file import load_use_case

    try:
        settings = load_use_case(folder, environment=environment).settings
    except ConfigError as error:
        description = f"does not load ({len(error.problems)} problems): see ft check"
        return {"use_case": folder.name, "task": None, "source": None, "last_run": state, "description": description}
    return {
        "use_case": folder.name,
        "task": settings.task.kind,
        "source": settings.source.uri,
        "last_run": state,
        "description": settings.description,
    }
