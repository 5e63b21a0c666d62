"""roi_report: what the model is worth, from measurements and declared business figures."""

import json

import dagster as dg

from ft_platform.assets.asset_keys import MEASUREMENTS
from ft_platform.assets.decorators import asset
from ft_platform.assets.report import shown
from ft_platform.assets.stage import key, stage, tags, with_typed_failures
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, evaluation_report: ArtifactVersion
) -> ArtifactVersion | None:
    """The report of this evaluation, with the measurements and costs of now."""
    from ft_platform.monitoring.business.inputs import roi_inputs

    artifact_id, _ = roi_inputs(lake, environment, use_case, evaluation_report)
    return lake.intact_artifact(use_case.name, "roi_report", artifact_id)


def build(use_case: NamedUseCase) -> list:
    files = use_case.settings.business.measurements
    measurements = dg.AssetSpec(
        key(use_case, MEASUREMENTS),
        description=(
            "Files with what was measured before the model was introduced and since. A sensor reports new content here."
        ),
        group_name=use_case.name,
        kinds={"file"},
        tags=tags(use_case, "restricted", "external"),
        owners=[use_case.settings.owners.of("domain_expert")],
        metadata={"dagster/uri": files[0].uri} if len(files) == 1 else {"files": len(files)},
    )

    @asset(**stage(use_case, "roi_report"), deps=[measurements.key] if files else [])
    @with_typed_failures
    def roi_report(
        lake: dg.ResourceParam[Lake], environment: dg.ResourceParam[Environment], evaluation_report: ArtifactVersion
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Accuracy, efficiency, cost savings, customer satisfaction and employee productivity before and after the
        model, each with its source.

        Payback, break-even and sensitivity follow from them. What was neither measured nor declared shows as not
        measured."""
        from ft_platform.reporting.publishing.roi import FIGURES, publish_roi

        require_usable(lake, use_case, evaluation_report)
        reused = existing(lake, environment, use_case, evaluation_report) is not None
        report = publish_roi(lake, environment, use_case, evaluation_report)
        found = json.loads(lake.read_file(report, FIGURES))
        return shown(
            lake,
            environment,
            use_case,
            report,
            reused=reused,
            rows=found["test_rows"],
            figures=dg.MetadataValue.json(found["figures"]),
            payback_months=dg.MetadataValue.json(found["payback_months"]),
        )

    return [measurements, roi_report] if files else [roi_report]
