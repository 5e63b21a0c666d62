"""Measures what of an evaluation is luck of the seed: `python -m ft_platform.programs.seeds`, started by a compute back
end or by hand.

Orders: `splits` and `evaluation_report`, version handles. By hand (`--use-case <name>`) the newest are taken. Publishes
a report only."""

from ft_platform.programs.reporting import prepare_process, program
from ft_platform.training.threads import pin_threads


def main() -> None:
    """Refuses unusable splits and evaluations, makes the trainings that are missing, publishes the report."""
    prepare_process()
    from ft_platform.evaluation.pairs import newest_evaluation
    from ft_platform.lake.gate import require_usable
    from ft_platform.lake.versions import ArtifactVersion, from_dict
    from ft_platform.reporting.publishing.seeds import publish_seed_variation
    from ft_platform.training.experiments.inputs import require_several

    with program("seeds") as running:
        require_several(running.use_case)
        handed = running.extras.get("evaluation_report")
        evaluation = from_dict(handed) if handed else newest_evaluation(running.lake, running.use_case)
        assert isinstance(evaluation, ArtifactVersion)
        require_usable(running.lake, running.use_case, evaluation)
        splits = running.usable_splits()
        pin_threads()
        made = publish_seed_variation(
            running.lake, running.environment, running.use_case, splits, evaluation, running.log
        )
        running.finish(artifact=made.to_dict())


if __name__ == "__main__":
    main()
