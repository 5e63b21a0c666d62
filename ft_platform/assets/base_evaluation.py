"""base_evaluation: what one gets without fine-tuning, on the same test records."""

import json

import dagster as dg

from ft_platform.assets.decorators import asset
from ft_platform.assets.report import program_report, shown
from ft_platform.assets.stage import stage, with_typed_failures
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion
) -> ArtifactVersion | None:
    """The evaluation of these alternatives on these records."""
    from ft_platform.evaluation.inputs import evaluation_inputs

    return lake.intact_artifact(use_case.name, "base_evaluation", evaluation_inputs(use_case, "base", splits)[0])


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "base_evaluation"))
    @with_typed_failures
    def base_evaluation(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        splits: TableVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Scores of the alternatives to fine-tuning: simple baselines and the base model, prompted without and with
        examples."""
        require_usable(lake, use_case, splits)
        earlier, parents = existing(lake, environment, use_case, splits), {"splits": splits}
        report, reused = program_report(
            context, lake, environment, use_case, "base_evaluation", earlier, parents, which="base"
        )
        return evaluated(lake, use_case, environment, report, reused=reused)

    return [base_evaluation]


def evaluated(
    lake: Lake, use_case: NamedUseCase, environment: Environment, report: ArtifactVersion, *, reused: bool
) -> dg.MaterializeResult:
    """The result of an evaluation asset: every score with its interval, the fine-tuned model first, and the report's
    pictures. Lines in "Plots" are the fine-tuned model's scores, and of the others the main one."""
    from ft_platform.evaluation.scores import FINE_TUNED
    from ft_platform.reporting.score_table import score_table_markdown

    metrics = json.loads(lake.read_file(report, "metrics.json"))
    systems = dict(sorted(metrics["systems"].items(), key=lambda item: item[0] != FINE_TUNED))
    scores = {
        f"score/{system}/{metric}": round(figure["value"], 4)
        for system, figures in systems.items()
        for metric, figure in figures.items()
        if system == FINE_TUNED or metric == metrics.get("main_metric", metric)
    }
    return shown(
        lake,
        environment,
        use_case,
        report,
        reused=reused,
        rows=metrics["test_rows"],
        score_table=dg.MetadataValue.md(score_table_markdown(metrics, use_case.settings.evaluation.confidence)),
        scores=dg.MetadataValue.json(systems),
        **scores,
    )
