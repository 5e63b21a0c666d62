"""privacy_report: what the checkpoint gives away of the records it was trained on."""

import json

import dagster as dg

from ft_platform.assets.decorators import asset, asset_check
from ft_platform.assets.report import program_report, shown
from ft_platform.assets.stage import (
    judged,
    key,
    stage,
    with_typed_failures,
)
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.training.privacy_attacks.inputs import FIGURES, attack_inputs
from ft_platform.training.privacy_attacks.verdict import attacker_in_words, privacy_verdict
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    adapter_checkpoint: ArtifactVersion,
) -> ArtifactVersion | None:
    """The report of attacks on this checkpoint."""
    artifact_id, _ = attack_inputs(environment, use_case, splits, adapter_checkpoint)
    return lake.intact_artifact(use_case.name, "privacy_report", artifact_id)


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "privacy_report"))
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

        The attacks know how hard each record is. Figures and counts only, never a record's text."""
        for version in (splits, adapter_checkpoint):
            require_usable(lake, use_case, version)
        earlier = existing(lake, environment, use_case, splits, adapter_checkpoint)
        parents = {"splits": splits, "checkpoint": adapter_checkpoint}
        report, reused = program_report(context, lake, environment, use_case, "privacy_report", earlier, parents)
        found = json.loads(lake.read_file(report, FIGURES))
        return shown(
            lake,
            environment,
            use_case,
            report,
            reused=reused,
            rows=found["members"] + found["others"],
            attacker=attacker_in_words(found),
            figures=dg.MetadataValue.json(
                {name: found[name] for name in ("membership", "extraction_rate", "personal_data")}
            ),
        )

    description = (
        "Every attack on the checkpoint stays within the limits of the section attacks, with the whole interval and"
        " enough records."
    )

    @asset_check(asset=key(use_case, "privacy_report"), blocking=False, description=description)
    @with_typed_failures
    def keeps_training_records_private(
        lake: dg.ResourceParam[Lake], privacy_report: ArtifactVersion
    ) -> dg.AssetCheckResult:
        verdict = privacy_verdict(json.loads(lake.read_file(privacy_report, FIGURES)), use_case)
        result = judged(
            lake,
            use_case,
            privacy_report,
            "keeps_training_records_private",
            lambda: (verdict.passed, {"reasons": list(verdict.reasons)}),
        )
        return result._replace(passed=verdict.passed, description=verdict.text)

    return [privacy_report, keeps_training_records_private]
