"""Lets a language model judge an evaluation: `python -m ft_platform.programs.judge`, started by a compute back end or
by hand. Publishes a report only.

Orders: `evaluation_report`, a version handle. By hand (`--use-case <name>`) the newest is taken.
"""

from ft_platform.programs.reporting import prepare_process, program
from ft_platform.training.threads import pin_threads


def main() -> None:
    """Refuses an unusable evaluation, asks the judge unless the artifact exists, publishes it and reports it."""
    prepare_process()
    from ft_platform.evaluation.pairs import newest_evaluation
    from ft_platform.lake.gate import require_usable
    from ft_platform.lake.versions import ArtifactVersion, from_dict
    from ft_platform.reporting.publishing.judge import publish_judge

    with program("judge") as running:
        handed = running.extras.get("evaluation_report")
        evaluation = from_dict(handed) if handed else newest_evaluation(running.lake, running.use_case)
        assert isinstance(evaluation, ArtifactVersion)
        require_usable(running.lake, running.use_case, evaluation)
        if running.use_case.settings.judge.model:
            pin_threads()
        artifact = publish_judge(running.lake, running.environment, running.use_case, evaluation).to_dict()
        running.finish(artifact=artifact)


if __name__ == "__main__":
    main()
