"""Searches for training settings: `python -m ft_platform.programs.search`, started by a compute back end or by hand.
Publishes a report only."""

import os

from ft_platform.programs.reporting import prepare_process, program
from ft_platform.training.threads import pin_threads
from ft_platform.use_case.program_variables import TASK


def main() -> None:
    """Refuses unusable splits, makes the trials that are missing, publishes the report."""
    prepare_process()
    from ft_platform.reporting.publishing.search import help_with_search, publish_search

    with program("search") as running:
        splits = running.usable_splits()
        pin_threads()
        where = (running.lake, running.environment, running.use_case, splits)
        if task := int(os.environ.get(TASK, "0")):
            help_with_search(*where, task, running.log)
            return
        running.finish(artifact=publish_search(*where, running.log).to_dict())


if __name__ == "__main__":
    main()
