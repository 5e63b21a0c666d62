"""What the assets of experiments share: a report that is there is used again, otherwise a program makes it."""

import dagster as dg

from ft_platform.compute.program_runs import run_program
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.settings.environment import Environment
from ft_platform.use_case.named import NamedUseCase


def experiment_report(
    context: dg.AssetExecutionContext,
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    stage: str,
    program: str,
    splits: TableVersion,
    **others: ArtifactVersion,
) -> tuple[ArtifactVersion, bool]:
    """The report of an experiment on these splits, and whether it was there already.

    Args:
        stage: one of `experiments.inputs.PREFIXES`.
        program: what makes it.
        others: further parents by name.

    Raises:
        VersionRefused: a parent may not be used.
        TrainingFailed: as the program ended.
    """
    from ft_platform.experiments.inputs import experiment_inputs

    for parent in (splits, *others.values()):
        require_usable(lake, use_case, parent)
    artifact_id, _ = experiment_inputs(use_case, stage, splits, *others.values())
    if existing := lake.intact_artifact(use_case.name, stage, artifact_id):
        return existing, True
    handles = {name: parent.to_dict() for name, parent in {"splits": splits, **others}.items()}
    return run_program(context, environment, use_case, program, handles).artifact, False
