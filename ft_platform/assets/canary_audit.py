"""canary_audit: what the training remembers of planted secrets. A person starts it."""

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
    return existing_experiment(lake, use_case, "canary_audit", splits)


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "canary_audit"))
    @with_typed_failures
    def canary_audit(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        splits: TableVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Exposure in bits of made-up secrets planted in a copy of the training records, by number of copies, compared
        with secrets never planted.

        The model of this training knows the secrets. It is thrown away, so no checkpoint exists that could be
        released."""
        report, reused = experiment_report(context, lake, environment, use_case, "canary_audit", splits)
        found = json.loads(lake.read_file(report, "canaries.json"))
        return shown(
            lake,
            environment,
            use_case,
            report,
            reused=reused,
            conclusion=dg.MetadataValue.md(" ".join(found["conclusion"])),
            exposure_bits=dg.MetadataValue.json(found["exposure_bits"]),
        )

    return [canary_audit]
