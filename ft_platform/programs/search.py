"""Searches for training settings: `python -m ft_platform.programs.search`, started by a compute back end or by hand.
Publishes a report only."""

from ft_platform.programs.reporting import prepare_process, program
from ft_platform.training.threads import pin_threads


def main() -> None:
    """Refuses unusable splits, makes the trials that are missing, publishes the report."""
    prepare_process()
    from ft_platform.publishing.search import publish_search

    with program("search") as running:
        splits = running.usable_splits()
        pin_threads()
        artifact = publish_search(running.lake, running.environment, running.use_case, splits, running.log).to_dict()
        running.finish(artifact=artifact)


if __name__ == "__main__":
    main()
