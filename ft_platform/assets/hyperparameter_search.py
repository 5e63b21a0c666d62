"""hyperparameter_search: which training settings give the lowest validation loss. A person starts it, and decides what
follows."""

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
    @dg.asset(**stage(use_case, "hyperparameter_search"))
    @with_typed_failures
    def hyperparameter_search(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        splits: TableVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Trials of training settings, compared by their loss on the validation split; the test split is not read.

        It changes nothing by itself: it shows the best settings as lines for the use-case file, for a person to
        copy."""
        report, reused = experiment_report(
            context, lake, environment, use_case, "hyperparameter_search", "search", splits
        )
        found, manifest = json.loads(lake.read_file(report, "search.json")), lake.manifest(report)
        return materialized(
            use_case,
            report,
            manifest,
            reused=reused,
            **pictures_of(lake, environment, report),
            best_settings=dg.MetadataValue.md(f"```yaml\n{found['snippet']}```"),
            **report_link(environment, report, manifest),
            **{f"metric/{name}": value for name, value in found["figures"].items()},
            **tracking(manifest),
        )

    return [hyperparameter_search]
