"""hyperparameter_search: which training settings give the lowest validation loss. A person starts it, and decides what
follows."""

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
    return existing_experiment(lake, use_case, "hyperparameter_search", splits)


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "hyperparameter_search"))
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
        report, reused = experiment_report(context, lake, environment, use_case, "hyperparameter_search", splits)
        found = json.loads(lake.read_file(report, "search.json"))
        return shown(
            lake,
            environment,
            use_case,
            report,
            reused=reused,
            best_settings=dg.MetadataValue.md(f"```yaml\n{found['snippet']}```"),
            **{f"metric/{name}": value for name, value in found["figures"].items()},
        )

    return [hyperparameter_search]
