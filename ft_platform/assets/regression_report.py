"""regression_report: what the fine-tuned model has forgotten, beside base model and champion."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from ft_platform.assets.decorators import asset, asset_check
from ft_platform.assets.report import program_report, shown
from ft_platform.assets.stage import (
    judged,
    key,
    stage,
    train_rows,
    with_typed_failures,
)
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, adapter_checkpoint: ArtifactVersion
) -> ArtifactVersion | None:
    """The report of this checkpoint beside the champion of now."""
    from ft_platform.evaluation.champion import champion
    from ft_platform.evaluation.inputs import regression_inputs

    best = champion(lake, use_case.name, beside=adapter_checkpoint)
    artifact_id, _ = regression_inputs(lake, use_case, adapter_checkpoint, best)
    return lake.intact_artifact(use_case.name, "regression_report", artifact_id)


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "regression_report"))
    @with_typed_failures
    def regression_report(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        adapter_checkpoint: ArtifactVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Base model, champion and fine-tuned model on general text, multiple choice and instructions, with margins for
        what may be lost.

        If an interval reaches its margin, the model counts as worse. A model that scores labels and writes nothing is
        not asked."""
        require_usable(lake, use_case, adapter_checkpoint)
        earlier = existing(lake, environment, use_case, adapter_checkpoint)
        parents = {"checkpoint": adapter_checkpoint}
        report, reused = program_report(context, lake, environment, use_case, "regression_report", earlier, parents)
        found = json.loads(lake.read_file(report, "regression.json"))
        return shown(
            lake,
            environment,
            use_case,
            report,
            reused=reused,
            rows=train_rows(lake, adapter_checkpoint),
            passed=found["passed"],
            suites=dg.MetadataValue.json(found["suites"]),
        )

    @asset_check(
        asset=key(use_case, "regression_report"),
        blocking=False,
        description="On no suite can the model be worse than before by regression.margins or more.",
    )
    @with_typed_failures
    def not_forgotten(lake: dg.ResourceParam[Lake], regression_report: ArtifactVersion) -> dg.AssetCheckResult:
        found = json.loads(lake.read_file(regression_report, "regression.json"))

        def judge() -> tuple[bool, dict]:
            return bool(found["passed"]), {name: one["status"] for name, one in found["suites"].items()}

        result = judged(lake, use_case, regression_report, "not_forgotten", judge)
        why = found.get("not_applicable") if result.passed else why_forgotten(found)
        return result._replace(description=why)

    return [regression_report, not_forgotten]


def why_forgotten(found: Mapping[str, Any]) -> str:
    """One clause for each suite on which the model may be worse than allowed."""
    from ft_platform.reporting.regression_report import sentence

    return " ".join(said["text"] for name, one in found["suites"].items() if not (said := sentence(name, one))["good"])
