"""judge_report: which answers a language model prefers, and whether it agrees with people. A person starts it."""

import json

import dagster as dg

from ft_platform.assets.pictures import pictures_of
from ft_platform.assets.stage import materialized, report_link, stage, with_typed_failures
from ft_platform.compute.program_runs import run_program
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.settings.environment import Environment
from ft_platform.use_case.named import NamedUseCase


def build(use_case: NamedUseCase) -> list:
    @dg.asset(**stage(use_case, "judge_report"))
    @with_typed_failures
    def judge_report(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        evaluation_report: ArtifactVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """How often a language model prefers the fine-tuned model's answer to an alternative's, each pair judged in
        both orders.

        Its agreement with people is measured on a gold set; without one, or below `judge.min_kappa`, the verdict cannot
        be used in a gate."""
        from ft_platform.publishing.judge import judge_inputs
        from ft_platform.reporting.judge_report import judge_sentences

        require_usable(lake, use_case, evaluation_report)
        artifact_id, _ = judge_inputs(lake, use_case, evaluation_report)
        report = lake.intact_artifact(use_case.name, "judge_report", artifact_id)
        reused = report is not None
        if report is None:
            report = run_program(
                context, environment, use_case, "judge", {"evaluation_report": evaluation_report.to_dict()}
            ).artifact
        found, manifest = json.loads(lake.read_file(report, "judge.json")), lake.manifest(report)
        return materialized(
            use_case,
            report,
            manifest,
            reused=reused,
            rows=found["rows"],
            **pictures_of(lake, environment, report),
            conclusion=dg.MetadataValue.md("\n\n".join(sentence["text"] for sentence in judge_sentences(found))),
            verdict=dg.MetadataValue.json({name: value for name, value in found.items() if name != "rubric"}),
            **report_link(environment, report, manifest),
        )

    return [judge_report]
