"""Trains the adapter of a use case: `python -m ft_platform.programs.train`, started by a compute back end or by
hand."""

from ft_platform.programs.reporting import prepare_process, program
from ft_platform.training.threads import pin_threads


def main() -> None:
    """Refuses unusable splits, trains unless the checkpoint exists, publishes it and reports it."""
    prepare_process()
    from ft_platform.reporting.publishing.training import checkpoint_for, help_with_training

    with program("train") as running:
        splits = running.usable_splits()
        pin_threads()
        from ft_platform.training.processes import is_first, process_group

        where = (running.lake, running.environment, running.use_case, splits, running.log)
        with process_group():
            if not is_first():
                help_with_training(*where)
                return
            result = checkpoint_for(*where)
        artifact = result.checkpoint.to_dict()
        running.finish(artifact=artifact, trained=not result.reused, metrics=result.metrics, tracking=result.tracking)


if __name__ == "__main__":
    main()
