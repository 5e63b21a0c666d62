"""ft search: what the newest search for training settings found, as lines for the use-case file. Changes nothing."""

import argparse
import json

from ft_platform.commands import opened

HELP = "Show the best settings of the newest hyperparameter_search of a use case, ready to copy into its file."
EXAMPLES = [
    "ft run complaint_routing --select hyperparameter_search",
    "ft search complaint_routing",
    "ft search complaint_routing --json",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("--json", action="store_true", help="print all trials as JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import DataError

    _, use_case, lake = opened(arguments.use_case)
    report = next(iter(lake.artifacts(use_case.name, "hyperparameter_search")), None)
    if report is None:
        raise DataError(
            f"{use_case.name} has no search yet", f"Run: ft run {use_case.name} --select hyperparameter_search"
        )
    found = json.loads(lake.read_file(report, "search.json"))
    if arguments.json:
        print(json.dumps({"search": report.id, **found}, indent=1))
        return 0
    from ft_platform.reporting.search_report import conclusion

    settings = " ".join(f"--set training.{name}={value}" for name, value in found["best"]["params"].items())
    print(f"{report.id}\n")
    print("\n".join(conclusion(found)))
    print(f"\nTo use the best settings, copy these lines into {use_case.path}:\n\n{found['snippet']}")
    print(f"or have them written there, and train with them: ft run {use_case.name} --keep {settings}")
    return 0
