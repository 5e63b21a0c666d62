"""model_card: what the model is for, what it was made from, how good it is and for whom, in Hugging Face's format."""

import dagster as dg

from ft_platform.assets.decorators import asset
from ft_platform.assets.report import shown
from ft_platform.assets.stage import stage, train_rows, with_typed_failures
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    adapter_checkpoint: ArtifactVersion,
    evaluation_report: ArtifactVersion,
    fairness_report: ArtifactVersion,
) -> ArtifactVersion | None:
    """The card of this checkpoint with these reports."""
    from ft_platform.evaluation.inputs import model_card_inputs

    artifact_id, _ = model_card_inputs(use_case, adapter_checkpoint, evaluation_report, fairness_report)
    return lake.intact_artifact(use_case.name, "model_card", artifact_id)


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "model_card"))
    @with_typed_failures
    def model_card(
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        adapter_checkpoint: ArtifactVersion,
        evaluation_report: ArtifactVersion,
        fairness_report: ArtifactVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """A page for people who decide: intended use, data, scores, groups, limits, lineage and owners, all from the
        lineage."""
        from ft_platform.reporting.model_card import publish_model_card

        for version in (adapter_checkpoint, evaluation_report, fairness_report):
            require_usable(lake, use_case, version)
        earlier = existing(lake, environment, use_case, adapter_checkpoint, evaluation_report, fairness_report)
        card = publish_model_card(lake, use_case, adapter_checkpoint, evaluation_report, fairness_report)
        text = lake.read_file(card, "README.md").decode()
        body = text.split("---", 2)[-1] if text.startswith("---") else text
        return shown(
            lake,
            environment,
            use_case,
            card,
            reused=earlier is not None,
            rows=train_rows(lake, adapter_checkpoint),
            card=dg.MetadataValue.md(body),
            page="model_card.html",
        )

    return [model_card]
