"""learning_curve: is more data worth it? A person starts it."""

import json

import dagster as dg

from ft_platform.assets.experiment import experiment_report
from ft_platform.assets.pictures import pictures_of
from ft_platform.assets.stage import materialized, report_link, stage, tracking, with_typed_failures
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.settings.environment import Environment
from ft_platform.use_case.named import NamedUseCase


def build(use_case: NamedUseCase) -> list:
    @dg.asset(**stage(use_case, "learning_curve"))
    @with_typed_failures
    def learning_curve(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        splits: TableVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Trainings on growing shares of the training split, compared by their loss on the same validation split.

        Says in words what twice the data would gain, or that this is unclear. The test split is not read."""
        report, reused = experiment_report(
            context, lake, environment, use_case, "learning_curve", "learning_curve", splits
        )
        found, manifest = json.loads(lake.read_file(report, "learning_curve.json")), lake.manifest(report)
        return materialized(
            use_case,
            report,
            manifest,
            reused=reused,
            **pictures_of(lake, environment, report),
            conclusion=dg.MetadataValue.md(" ".join(found["conclusion"])),
            points=dg.MetadataValue.json(found["points"]),
            **report_link(environment, report, manifest),
            **tracking(manifest),
        )

    return [learning_curve]
