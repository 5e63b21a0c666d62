"""Measures what the fine-tuned model has forgotten: `python -m ft_platform.programs.regression`, started by a compute
back end or by hand.

Order: `checkpoint` is a version handle; by hand the newest is taken. A checkpoint that the gate refuses is not
measured."""

from ft_platform.programs.reporting import prepare_process, program
from ft_platform.training.threads import pin_threads


def main() -> None:
    """Refuses an unusable checkpoint, measures unless the artifact exists, publishes it and reports it."""
    prepare_process()
    from ft_platform.errors import VersionRefused
    from ft_platform.lake.gate import require_usable
    from ft_platform.lake.versions import ArtifactVersion, from_dict
    from ft_platform.reporting.publishing.regression import publish_regression_report

    with program("regression") as running:
        handed = running.extras.get("checkpoint")
        checkpoint = (
            from_dict(handed)
            if handed
            else next(iter(running.lake.artifacts(running.use_case.name, "adapter_checkpoint")), None)
        )
        if not isinstance(checkpoint, ArtifactVersion):
            raise VersionRefused(
                f"{running.use_case.name} has no adapter_checkpoint", f"Run: ft run {running.use_case.name}"
            )
        require_usable(running.lake, running.use_case, checkpoint)
        pin_threads()
        report = publish_regression_report(running.lake, running.environment, running.use_case, checkpoint, running.log)
        running.finish(artifact=report.to_dict())


if __name__ == "__main__":
    main()
