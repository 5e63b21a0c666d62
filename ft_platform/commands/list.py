"""ft list: the use cases of this installation and how their last run ended."""

import argparse
import json

HELP = "List the use cases and how their last run ended."
EXAMPLES = ["ft list", "ft list --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.identities import is_served_here
    from ft_platform.runs import last_runs
    from ft_platform.use_case_file import find_use_cases

    environment = load_environment()
    folders = find_use_cases(environment.defs)
    states = {name: run.state for name, run in last_runs(environment, [folder.name for folder in folders]).items()}
    states |= {name: "elsewhere" for name in states if not is_served_here(environment, name)}
    rows = [_row(environment, folder, states[folder.name]) for folder in folders]
    if arguments.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    width = max((len(row["use_case"]) for row in rows), default=0)
    for row in rows:
        print(f"{row['use_case']:<{width}}  {row['task'] or '-':<14}  {row['last_run']:<9}  {row['description']}")
    if not rows:
        print("There is no use case yet. Write one with: ft new <name>")
    return 0


def _row(environment, folder, state: str) -> dict:
    from ft_platform.errors import ConfigError
    from ft_platform.use_case_file import load_use_case

    try:
        settings = load_use_case(folder, environment=environment).settings
    except ConfigError as error:
        return {
            "use_case": folder.name,
            "task": None,
            "source": None,
            "last_run": state,
            "description": f"does not load ({len(error.problems)} problems): see ft check",
        }
    return {"use_case": folder.name, "task": settings.task.kind, "source": settings.source.uri, "last_run": state, "description": settings.description}
