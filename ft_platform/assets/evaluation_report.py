"""evaluation_report: the fine-tuned model beside its alternatives on the test split. With it comes the sensor that
measures the effect of repairs."""

import dagster as dg

from ft_platform.assets.base_evaluation import evaluated
from ft_platform.assets.decorators import asset
from ft_platform.assets.effect_watch import effect_watch
from ft_platform.assets.report import program_report
from ft_platform.assets.stage import stage, with_typed_failures
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    base_evaluation: ArtifactVersion,
    adapter_checkpoint: ArtifactVersion,
) -> ArtifactVersion | None:
    """The evaluation of this checkpoint beside these alternatives, the champion of now, and the requests that are kept
    for testing."""
    from ft_platform.evaluation.champion import champion
    from ft_platform.evaluation.golden_statements import fingerprint
    from ft_platform.evaluation.inputs import evaluation_inputs
    from ft_platform.monitoring.traffic.fresh import fresh_requests

    best = champion(lake, use_case.name, beside=adapter_checkpoint)
    requests = fresh_requests(lake, use_case)
    fresh = requests.content_hash if requests else ""
    about = (splits, adapter_checkpoint, base_evaluation, best, fresh, fingerprint(lake, use_case))
    return lake.intact_artifact(use_case.name, "evaluation_report", evaluation_inputs(use_case, "tuned", *about)[0])


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "evaluation_report"))
    @with_typed_failures
    def evaluation_report(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        splits: TableVersion,
        base_evaluation: ArtifactVersion,
        adapter_checkpoint: ArtifactVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Precision, recall, F1 (or ROUGE-L, chrF, answer loss) of the fine-tuned model and of every alternative, with
        intervals; of the model and the champion also on recent requests that are kept for testing."""
        from ft_platform.evaluation.output_mitigation import require_target

        for version in (splits, base_evaluation, adapter_checkpoint):
            require_usable(lake, use_case, version)
        require_target(use_case.settings.fairness.in_evaluation, lake.manifest(splits).counts)
        earlier = existing(lake, environment, use_case, splits, base_evaluation, adapter_checkpoint)
        parents = {"splits": splits, "checkpoint": adapter_checkpoint, "base_evaluation": base_evaluation}
        report, reused = program_report(
            context, lake, environment, use_case, "evaluation_report", earlier, parents, which="tuned"
        )
        return evaluated(lake, use_case, environment, report, reused=reused)

    return [evaluation_report, effect_watch(use_case)]
