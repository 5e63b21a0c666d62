"""Measures what more data would bring: `python -m ft_platform.programs.learning_curve`, started by a compute back end
or by hand. Publishes a report only."""

from ft_platform.programs.reporting import prepare_process, program
from ft_platform.training.threads import pin_threads


def main() -> None:
    """Refuses unusable splits, makes the trainings that are missing, publishes the report."""
    prepare_process()
    from ft_platform.reporting.publishing.curve import publish_curve

    with program("learning_curve") as running:
        splits = running.usable_splits()
        pin_threads()
        artifact = publish_curve(running.lake, running.environment, running.use_case, splits, running.log).to_dict()
        running.finish(artifact=artifact)


if __name__ == "__main__":
    main()
