"""judge_report: which answers a language model prefers, and whether it agrees with people. A person starts it."""

import json

import dagster as dg

from ft_platform.assets.decorators import asset
from ft_platform.assets.report import program_report, shown
from ft_platform.assets.stage import stage, with_typed_failures
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, evaluation_report: ArtifactVersion
) -> ArtifactVersion | None:
    """The verdict of this judge on this evaluation."""
    from ft_platform.reporting.publishing.judge import judge_inputs

    return lake.intact_artifact(use_case.name, "judge_report", judge_inputs(lake, use_case, evaluation_report)[0])


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "judge_report"))
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
        from ft_platform.reporting.judge_report import judge_sentences

        require_usable(lake, use_case, evaluation_report)
        earlier = existing(lake, environment, use_case, evaluation_report)
        parents = {"evaluation_report": evaluation_report}
        report, reused = program_report(context, lake, environment, use_case, "judge_report", earlier, parents)
        found = json.loads(lake.read_file(report, "judge.json"))
        return shown(
            lake,
            environment,
            use_case,
            report,
            reused=reused,
            rows=found["rows"],
            conclusion=dg.MetadataValue.md("\n\n".join(sentence["text"] for sentence in judge_sentences(found))),
            verdict=dg.MetadataValue.json({name: value for name, value in found.items() if name != "rubric"}),
        )

    return [judge_report]
