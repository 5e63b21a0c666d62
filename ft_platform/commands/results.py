"""ft results: what the last run of a use case found."""

import argparse
import json

HELP = "Show the results of the last run of a use case."
EXAMPLES = ["ft results complaint_routing", "ft results complaint_routing --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.commands.terminal import print_summary
    from ft_platform.environment import load_environment
    from ft_platform.orchestration.results import collect_results, for_programs
    from ft_platform.use_case.file import load_use_case, use_case_folder

    environment = load_environment()
    use_case = load_use_case(use_case_folder(environment.defs, arguments.use_case), environment=environment)
    found = collect_results(environment, use_case)
    if arguments.json:
        print(json.dumps(for_programs(found), indent=1, ensure_ascii=False))
    else:
        print_summary(found)
    return 0
