"""What the assets of experiments share: a report that is there is used again, otherwise a program makes it."""

import dagster as dg

from ft_platform.compute import run_program
from ft_platform.environment import Environment
from ft_platform.lake import ArtifactVersion, Lake, TableVersion
from ft_platform.lake.gate import require_usable
from ft_platform.use_case import NamedUseCase


def experiment_report(
    context: dg.AssetExecutionContext, lake: Lake, environment: Environment, use_case: NamedUseCase, stage: str, program: str, splits: TableVersion
) -> tuple[ArtifactVersion, bool]:
    """The report of an experiment on these splits, and whether it was there already.

    Args:
        stage: `hyperparameter_search`, `learning_curve` or `canary_audit`.
        program: what makes it.

    Raises:
        VersionRefused: the splits may not be used.
        TrainingFailed: as the program ended.
    """
    from ft_platform.experiments.inputs import experiment_inputs

    require_usable(lake, use_case, splits)
    artifact_id, _ = experiment_inputs(use_case, stage, splits)
    if existing := lake.intact_artifact(use_case.name, stage, artifact_id):
        return existing, True
    return run_program(context, environment, use_case, program, {"splits": splits.to_dict()}).artifact, False
