"""seed_variation: does the gain hold for other seeds of training, or was it luck? A person starts it."""

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
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    evaluation_report: ArtifactVersion,
) -> ArtifactVersion | None:
    return existing_experiment(lake, use_case, "seed_variation", splits, evaluation_report=evaluation_report)


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "seed_variation"))
    @with_typed_failures
    def seed_variation(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        splits: TableVersion,
        evaluation_report: ArtifactVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """The recipe of the checkpoint trained with other seeds, each evaluated on the same test records: the spread,
        and whether every gain holds.

        The checkpoint stays the one of `training.seed`; the other weights are thrown away. With `seed_variation.seeds`
        above 1, the gate requires it."""
        from ft_platform.training.experiments.inputs import require_several

        require_several(use_case)
        report, reused = experiment_report(
            context, lake, environment, use_case, "seed_variation", splits, evaluation_report=evaluation_report
        )
        found = json.loads(lake.read_file(report, "seeds.json"))
        return shown(
            lake,
            environment,
            use_case,
            report,
            reused=reused,
            rows=found["test_rows"],
            conclusion=dg.MetadataValue.md("\n\n".join(sentence["text"] for sentence in found["conclusion"])),
            scores=dg.MetadataValue.json(found["metrics"]),
        )

    return [seed_variation]
