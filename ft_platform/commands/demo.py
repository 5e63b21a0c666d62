"""ft demo: the shipped use case on its sample data."""

import argparse

from ft_platform.commands.run import add_run_arguments, run_and_show

HELP = "Run the shipped use case complaint_routing on fictitious sample data, from raw records to report."
EXAMPLES = ["ft demo", "ft demo --set training.epochs=1", "ft demo --json"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    return run_and_show("complaint_routing", arguments)
