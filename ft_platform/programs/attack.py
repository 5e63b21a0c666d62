"""Attacks a checkpoint: `python -m ft_platform.programs.attack`, started by a compute back end or by hand (`--use-case
<name>`: the newest versions).

Whichever way, versions that the gate refuses are not attacked.
"""

from ft_platform.programs.reporting import prepare_process, program
from ft_platform.training.threads import pin_threads


def main() -> None:
    """Refuses unusable versions, attacks unless the report exists, publishes it and reports it."""
    prepare_process()
    from ft_platform.errors import VersionRefused
    from ft_platform.lake.gate import require_usable
    from ft_platform.lake.versions import ArtifactVersion, from_dict
    from ft_platform.reporting.publishing.privacy import publish_privacy_report

    with program("attack") as running:
        name, splits = running.use_case.name, running.table("splits")
        handed = running.extras.get("checkpoint")
        checkpoint = (
            from_dict(handed) if handed else next(iter(running.lake.artifacts(name, "adapter_checkpoint")), None)
        )
        if splits is None or not isinstance(checkpoint, ArtifactVersion):
            raise VersionRefused(
                f"{name} has no {'splits' if splits is None else 'adapter_checkpoint'}", f"Run: ft run {name}"
            )
        for version in (splits, checkpoint):
            require_usable(running.lake, running.use_case, version)
        pin_threads()
        report = publish_privacy_report(
            running.lake, running.environment, running.use_case, splits, checkpoint, running.log
        )
        running.finish(artifact=report.to_dict())


if __name__ == "__main__":
    main()
