"""What the assets of reports share: one that is there is used again, otherwise a program makes it; then it is shown."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from ft_platform.assets.pictures import pictures_of
from ft_platform.assets.stage import materialized, report_link, tracking
from ft_platform.compute.program_runs import run_program
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def program_report(
    context: dg.AssetExecutionContext,
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    stage: str,
    existing: ArtifactVersion | None,
    parents: Mapping[str, Version],
    **values: str,
) -> tuple[ArtifactVersion, bool]:
    """The report that exists, and whether it does; otherwise the program of its stage makes it.

    Args:
        parents: versions that the program gets, by name.
        values: what else it gets.

    Raises:
        TrainingFailed: as the program ended.
    """
    if existing:
        return existing, True
    program = STAGES[stage].program
    assert program is not None
    handles = {name: version.to_dict() for name, version in parents.items()}
    return run_program(context, environment, use_case, program, {**values, **handles}).artifact, False


def experiment_report(
    context: dg.AssetExecutionContext,
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    stage: str,
    splits: TableVersion,
    **others: ArtifactVersion,
) -> tuple[ArtifactVersion, bool]:
    """The report of an experiment on these splits, and whether it was there already.

    Args:
        stage: one of `training.experiments.inputs.PREFIXES`.
        others: further parents by name.

    Raises:
        VersionRefused: a parent may not be used.
        TrainingFailed: as the program ended.
    """
    for parent in (splits, *others.values()):
        require_usable(lake, use_case, parent)
    existing = existing_experiment(lake, use_case, stage, splits, **others)
    return program_report(context, lake, environment, use_case, stage, existing, {"splits": splits, **others})


def existing_experiment(
    lake: Lake, use_case: NamedUseCase, stage: str, splits: TableVersion, **others: ArtifactVersion
) -> ArtifactVersion | None:
    """The report of an experiment that `experiment_report` uses again."""
    from ft_platform.training.experiments.inputs import experiment_inputs

    return lake.intact_artifact(use_case.name, stage, experiment_inputs(use_case, stage, splits, *others.values())[0])


def shown(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    artifact: ArtifactVersion,
    *,
    page: str = "report.html",
    **metadata: Any,
) -> dg.MaterializeResult:
    """The result of an asset with a page: `materialized`, with its pictures, the link to its page and its runs in
    trackers."""
    manifest = lake.manifest(artifact)
    return materialized(
        use_case,
        artifact,
        manifest,
        **pictures_of(lake, environment, artifact),
        **metadata,
        **report_link(environment, artifact, manifest, page),
        **(tracking(manifest) if "tracking" in manifest.info else {}),
    )
