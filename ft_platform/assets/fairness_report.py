"""fairness_report: the model's outputs compared between groups, with Fairlearn."""

import json
from typing import Any

import dagster as dg

from ft_platform.assets.decorators import asset, asset_check
from ft_platform.assets.report import shown
from ft_platform.assets.stage import (
    judged,
    key,
    stage,
    with_typed_failures,
)
from ft_platform.errors.vouched import VouchedLog
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, evaluation_report: ArtifactVersion
) -> ArtifactVersion | None:
    """The report of this evaluation, beside the one before mitigation."""
    from ft_platform.evaluation.inputs import fairness_inputs
    from ft_platform.evaluation.mitigation_figures import evaluation_before

    before = evaluation_before(lake, use_case, evaluation_report)
    artifact_id, _ = fairness_inputs(use_case, evaluation_report, before)
    return lake.intact_artifact(use_case.name, "fairness_report", artifact_id)


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "fairness_report"))
    @with_typed_failures
    def fairness_report(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        evaluation_report: ArtifactVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Data, quality and selection rates of the fine-tuned model by sensitive feature, with group sizes and
        intervals; what fine-tuning added to a gap.

        A group below the minimum size shows as not enough evidence, never as fair.
        """
        from ft_platform.evaluation.fairness_summary import summary
        from ft_platform.reporting.publishing.fairness import publish_fairness

        require_usable(lake, use_case, evaluation_report)
        reused = existing(lake, environment, use_case, evaluation_report) is not None
        report = publish_fairness(lake, use_case, evaluation_report, environment, VouchedLog(context.log))
        found = json.loads(lake.read_file(report, "fairness.json"))
        told = summary(report, found, use_case)
        return shown(
            lake,
            environment,
            use_case,
            report,
            reused=reused,
            rows=found["test_rows"],
            features=dg.MetadataValue.json(
                {name: _without_groups(feature) for name, feature in told["features"].items()}
            ),
            swaps=dg.MetadataValue.json(told["swaps"]),
            mitigation=dg.MetadataValue.json(told["mitigation"] or {}),
        )

    description = (
        "No group is served worse than another by more than fairness.max_gap, with the whole interval, and every group"
        " is large enough to tell."
    )

    @asset_check(asset=key(use_case, "fairness_report"), blocking=False, description=description)
    @with_typed_failures
    def within_max_gap(lake: dg.ResourceParam[Lake], fairness_report: ArtifactVersion) -> dg.AssetCheckResult:
        from ft_platform.evaluation.fairness_verdict import all_fair, why_not_fair

        found, settings = json.loads(lake.read_file(fairness_report, "fairness.json")), use_case.settings
        fair = all_fair(found, settings)
        result = judged(
            lake,
            use_case,
            fairness_report,
            "within_max_gap",
            lambda: (fair, {"gaps": found["gaps"], "max_gap": found["max_gap"]}),
        )
        return result._replace(passed=fair, description=why_not_fair(found, settings))

    return [fairness_report, within_max_gap]


def _without_groups(feature: dict[str, Any]) -> dict[str, Any]:
    """The differences between groups; the table of every group and label is in the report."""
    return {name: value for name, value in feature.items() if name != "groups"}
