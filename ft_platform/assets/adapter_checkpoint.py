"""adapter_checkpoint: the fine-tuned LoRA adapter. Training runs as a program on a compute back end."""

from typing import Any

import dagster as dg

from ft_platform.assets.decorators import asset
from ft_platform.assets.report import shown
from ft_platform.assets.stage import stage, train_rows, with_typed_failures
from ft_platform.compute.program_runs import run_program
from ft_platform.errors.vouched import vouch
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def existing(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion
) -> ArtifactVersion | None:
    """The checkpoint that training on these splits gives, from where this training starts."""
    return lake.intact_artifact(use_case.name, "adapter_checkpoint", _id_of(lake, use_case, splits))


def _id_of(lake: Lake, use_case: NamedUseCase, splits: TableVersion) -> str:
    from ft_platform.training.continuing import start_of
    from ft_platform.training.inputs import checkpoint_inputs

    return checkpoint_inputs(use_case, splits, start_of(lake, use_case, splits))[0]


def build(use_case: NamedUseCase) -> list:
    @asset(**stage(use_case, "adapter_checkpoint"))
    @with_typed_failures
    def adapter_checkpoint(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        environment: dg.ResourceParam[Environment],
        splits: TableVersion,
    ) -> dg.MaterializeResult[ArtifactVersion]:
        """Adapter weights trained on the train split, with the manifest of everything they were made from.

        Equal inputs give the same checkpoint: if it exists, it is reused and nothing is trained. Splits whose checks
        are missing, stale or failed are refused, whoever started the run."""
        from ft_platform.evaluation.output_mitigation import require_target
        from ft_platform.release.separation import note_start, note_trainers
        from ft_platform.training.continuing import continued_from

        require_usable(lake, use_case, splits)
        require_target(use_case.settings.fairness.in_evaluation, lake.manifest(splits).counts)
        checkpoint = existing(lake, environment, use_case, splits)
        trained = checkpoint is None
        cost: dict[str, Any] = {}
        if checkpoint is None:
            began = _id_of(lake, use_case, splits), context.run.run_id, context.run.tags
            note_start(lake, use_case, *began)
            result = run_program(context, environment, use_case, "train", {"splits": splits.to_dict()})
            checkpoint, cost = result.artifact, result.cost_metadata()
            note_trainers(lake, use_case, checkpoint)
        else:
            text = f"{checkpoint.id} was trained on the same content with the same settings: unchanged, reused."
            context.log.info(vouch(text))
        manifest, start = lake.manifest(checkpoint), continued_from(lake, checkpoint)
        metrics: dict[str, Any] = {
            f"metric/{'training_seconds' if k == 'seconds' else k}": v
            for k, v in manifest.info.get("metrics", {}).items()
            if isinstance(v, (int, float))
        }
        return shown(
            lake,
            environment,
            use_case,
            checkpoint,
            reused=not trained,
            rows=train_rows(lake, checkpoint),
            trained=trained,
            **({"continued_from": start.id} if start else {}),
            **cost,
            **metrics,
        )

    return [adapter_checkpoint]
