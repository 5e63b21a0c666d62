"""privacy_report: what the checkpoint gives away of the records it was trained on."""

import json

import dagster as dg

from ft_platform.assets.pictures import pictures_of
from ft_platform.assets.stage import (
    judged,
    key,
    materialized,
    report_link,
    stage,
    tracking,
    with_typed_failures,
)
from ft_platform.compute.program_runs import run_program
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.privacy_attacks.inputs import FIGURES, attack_inputs
from ft_platform.settings.environment import Environment
from ft_platform.use_case.named import NamedUseCase


def build(use_case: NamedUseCase) -> list:
    @dg.asset(**stage(use_case, "privacy_report"))
    @with_typed_failures
    def privacy_report(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        splits: TableVersion,
        adapter_checkpoint: ArtifactVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Membership inference, extraction of training text, personal data in the model's own texts, and overfitting,
        each with interval and control.

        The same attacks on the untrained model serve as control. Figures and counts only, never a record's text."""
        for version in (splits, adapter_checkpoint):
            require_usable(lake, use_case, version)
        artifact_id, _ = attack_inputs(use_case, splits, adapter_checkpoint)
        report = lake.intact_artifact(use_case.name, "privacy_report", artifact_id)
        reused = report is not None
        if report is None:
            handles = {"splits": splits.to_dict(), "checkpoint": adapter_checkpoint.to_dict()}
            report = run_program(context, environment, use_case, "attack", handles).artifact
        found, manifest = json.loads(lake.read_file(report, FIGURES)), lake.manifest(report)
        return materialized(
            use_case,
            report,
            manifest,
            reused=reused,
            rows=found["rows"],
            **pictures_of(lake, environment, report),
            figures=dg.MetadataValue.json(
                {name: found[name] for name in ("membership_auc", "extraction_rate", "personal_data")}
            ),
            **tracking(manifest),
            **report_link(environment, report, manifest),
        )

    description = (
        "Every attack on the checkpoint stays within the limits of the section attacks, with the whole interval and"
        " enough records."
    )

    @dg.asset_check(asset=key(use_case, "privacy_report"), blocking=False, description=description)
    @with_typed_failures
    def keeps_training_records_private(
        lake: dg.ResourceParam[Lake], privacy_report: ArtifactVersion
    ) -> dg.AssetCheckResult:
        from ft_platform.privacy_attacks.verdict import privacy_verdict

        verdict = privacy_verdict(json.loads(lake.read_file(privacy_report, FIGURES)), use_case.settings)
        result = judged(
            lake,
            use_case,
            privacy_report,
            "keeps_training_records_private",
            lambda: (verdict.passed, {"reasons": list(verdict.reasons)}),
        )
        return result._replace(severity=dg.AssetCheckSeverity.ERROR, passed=verdict.passed, description=verdict.text)

    return [privacy_report, keeps_training_records_private]
