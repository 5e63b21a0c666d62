"""learning_curve: is more data worth it? A person starts it."""

import json

import dagster as dg

from ft_platform.assets.decorators import asset
from ft_platform.assets.report import existing_experiment, experiment_report, shown
from ft_platform.assets.stage import stage, with_typed_failures
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion
) -> ArtifactVersion | None:
    return existing_experiment(lake, use_case, "learning_curve", splits)


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "learning_curve"))
    @with_typed_failures
    def learning_curve(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        splits: TableVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Trainings on growing shares of the training split, compared by their loss on the same validation split.

        Says in words what twice the data would gain, or that this is unclear. The test split is not read."""
        report, reused = experiment_report(context, lake, environment, use_case, "learning_curve", splits)
        found = json.loads(lake.read_file(report, "learning_curve.json"))
        return shown(
            lake,
            environment,
            use_case,
            report,
            reused=reused,
            conclusion=dg.MetadataValue.md(" ".join(found["conclusion"])),
            points=dg.MetadataValue.json(found["points"]),
        )

    return [learning_curve]
