"""ft fairness: how the newest fairness report of a use case compares groups."""

import argparse
import json

from ft_platform.commands import opened, use_case_and_json

HELP = "Show how the fine-tuned model treats groups, from the newest fairness report of a use case."
EXAMPLES = ["ft fairness complaint_routing", "ft fairness complaint_routing --json"]
add_arguments = use_case_and_json


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.evaluation.fairness_summary import newest_fairness, summary, summary_lines

    _, use_case, lake = opened(arguments.use_case)
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
