"""ft fairness: how the newest fairness report of a use case compares groups."""

import argparse
import json

HELP = "Show how the fine-tuned model treats groups, from the newest fairness report of a use case."
EXAMPLES = ["ft fairness complaint_routing", "ft fairness complaint_routing --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.evaluation.fairness_summary import newest_fairness, summary, summary_lines
    from ft_platform.lake.opening import open_lake
    from ft_platform.use_case.file import load_use_case, use_case_folder

    environment = load_environment()
    use_case = load_use_case(use_case_folder(environment.defs, arguments.use_case), environment=environment)
    lake = open_lake(environment)
    report, found = newest_fairness(lake, use_case.name)
    shown = summary(report, found, use_case)
    if arguments.json:
        print(json.dumps(shown, indent=1, ensure_ascii=False))
    else:
        for line in summary_lines(shown):
            print(printable(line))
    return 0


def printable(text: str) -> str:
    """Names of groups come from the data: nothing in them may steer a terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)
