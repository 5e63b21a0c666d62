"""ft results: what the last run of a use case found."""

import argparse
import json

from ft_platform.commands import opened, use_case_and_json

HELP = "Show the results of the last run of a use case."
EXAMPLES = ["ft results complaint_routing", "ft results complaint_routing --json"]
add_arguments = use_case_and_json


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.commands.terminal import print_summary
    from ft_platform.orchestration.results import collect_results, for_programs

    environment, use_case, _ = opened(arguments.use_case)
    found = collect_results(environment, use_case)
    if arguments.json:
        print(json.dumps(for_programs(found), indent=1, ensure_ascii=False))
    else:
        print_summary(found)
    return 0
