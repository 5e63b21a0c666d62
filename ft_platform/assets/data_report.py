"""data_report: where the records come from, what permits their use, what was taken out, and how they are divided."""

import json

import dagster as dg

from ft_platform.assets.decorators import asset
from ft_platform.assets.report import shown
from ft_platform.assets.stage import stage, with_typed_failures
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion
) -> ArtifactVersion | None:
    from ft_platform.reporting.data_report import existing_data_report

    return existing_data_report(lake, use_case, splits)


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "data_report"))
    @with_typed_failures
    def data_report(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], splits: TableVersion
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """For compliance officers: source, permission, personal data found and replaced, k-anonymity, duplicates and
        balance of the records.

        Includes a dataset card in Hugging Face's format and a Croissant description. It reads manifests and verdicts,
        no text."""
        from ft_platform.reporting.data_report import publish_data_report

        require_usable(lake, use_case, splits)
        reused = existing(lake, environment, use_case, splits) is not None
        report = publish_data_report(lake, use_case, splits)
        found = json.loads(lake.read_file(report, "data.json"))
        checks = {one["check"]: one["status"] for one in found["checks"]}
        return shown(lake, environment, use_case, report, reused=reused, rows=splits.rows, checks=checks)

    return [data_report]
