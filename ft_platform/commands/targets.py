"""ft targets: where programs can run and a lake can lie, and what of its contract each has shown."""

import argparse
import json

HELP = (
    "List the compute back ends and the stores of a lake: how many scenarios of its contract each has passed, and"
    " against what they ran."
)
EXAMPLES = ["ft targets", "ft targets --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.compute.targets import targets

    noted = [*targets("compute").targets, *targets("store").targets]
    if arguments.json:
        print(json.dumps([one.to_dict() for one in noted], indent=1))
        return 0
    for one in noted:
        found = one.to_dict()
        print(
            f"{one.name:<10} {one.passed:>2} of {len(one.outcomes)} scenarios passed against: "
            f"{one.ran_against}{f' ({one.server})' if one.server else ''}, {one.date}"
            f"{' (the code or its tests have changed since)' if found['stale'] else ''}"
        )
        for name, how in one.outcomes.items():
            if how != "passed":
                print(f"  {name}: {how}")
    return 0
