"""fairness_report: the model's outputs compared between groups, with Fairlearn."""

import json

import dagster as dg

from ft_platform.assets.stage import check_result, key, materialized, pictures_of, report_link, stage, with_typed_failures
from ft_platform.environment import Environment
from ft_platform.lake import ArtifactVersion, Lake
from ft_platform.lake.gate import require_usable
from ft_platform.stages import check_settings_hash
from ft_platform.use_case import NamedUseCase


def build(use_case: NamedUseCase) -> list:
    @dg.asset(**stage(use_case, "fairness_report"))
    @with_typed_failures
    def fairness_report(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], evaluation_report: ArtifactVersion
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Quality and selection rates of the fine-tuned model by sensitive feature, with group sizes and intervals.

        A group below the minimum size shows as not enough evidence, never as fair.
        """
        from ft_platform.evaluation.fairness import publish_fairness

        require_usable(lake, use_case, evaluation_report)
        report = publish_fairness(lake, use_case, evaluation_report, environment, context.log)
        found = json.loads(lake.read_file(report, "fairness.json"))
        manifest = lake.manifest(report)
        return materialized(report, manifest, pictures=pictures_of(lake, report), features=dg.MetadataValue.json(found), **report_link(report, manifest))

    @dg.asset_check(asset=key(use_case, "fairness_report"), blocking=False, description="No group is served worse than another by more than fairness.max_gap.")
    @with_typed_failures
    def within_max_gap(lake: dg.ResourceParam[Lake], fairness_report: ArtifactVersion) -> dg.AssetCheckResult:
        found = json.loads(lake.read_file(fairness_report, "fairness.json"))
        settings = check_settings_hash(use_case, "fairness_report", "within_max_gap")
        verdict = lake.add_verdict(
            fairness_report, "within_max_gap", bool(found["within_max_gap"]), settings, {"gaps": found["gaps"], "max_gap": found["max_gap"]}
        )
        return check_result(verdict)._replace(severity=dg.AssetCheckSeverity.WARN)

    return [fairness_report, within_max_gap]
