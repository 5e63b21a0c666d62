"""Measures what a training remembers of planted secrets: `python -m ft_platform.programs.canaries`, started by a
compute back end or by hand.

Publishes a report only.
"""

from ft_platform.programs.reporting import prepare_process, program
from ft_platform.training.threads import pin_threads


def main() -> None:
    """Refuses unusable splits, trains on a copy with secrets, publishes the report."""
    prepare_process()
    from ft_platform.reporting.publishing.canaries import publish_canary_audit

    with program("canaries") as running:
        splits = running.usable_splits()
        pin_threads()
        running.finish(
            artifact=publish_canary_audit(
                running.lake, running.environment, running.use_case, splits, running.log
            ).to_dict()
        )


if __name__ == "__main__":
    main()
