"""From a version of `splits` to a published checkpoint."""

import time
from dataclasses import dataclass
from typing import Any

from ft_platform.environment import Environment
from ft_platform.lake import ArtifactVersion, Lake, TableVersion
from ft_platform.models import base_model
from ft_platform.models.renderer import Renderer, labels_of
from ft_platform.stages import STAGES
from ft_platform.tracking import Tracker, tracker_for
from ft_platform.training.batches import split_off_prefix
from ft_platform.training.dataset import read_splits, render_split
from ft_platform.training.inputs import checkpoint_inputs
from ft_platform.use_case import NamedUseCase, UseCase

STAGE = "adapter_checkpoint"


@dataclass(frozen=True)
class Trained:
    """A checkpoint and the figures of its training; `reused`: it was there already."""

    checkpoint: ArtifactVersion
    metrics: dict[str, Any]
    tracking: Any
    reused: bool


def checkpoint_for(lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, log: Any) -> Trained:
    """The checkpoint that these inputs give: an existing one, or a newly trained and published one.

    Args:
        splits: a version that passed the gate (`lake.gate.require_usable`).
        log: a logger.

    Raises:
        BaseModelError, DataError, NanLoss, OutOfMemory: nothing was published.
    """
    checkpoint_id, inputs = checkpoint_inputs(use_case, splits)
    existing = lake.intact_artifact(use_case.name, STAGE, checkpoint_id)
    if existing:
        info = lake.manifest(existing).info
        log.info(f"{checkpoint_id} was trained on the same content with the same settings: unchanged, reused")
        return Trained(existing, info["metrics"], info.get("tracking"), reused=True)
    with tracker_for(environment, use_case, STAGE, checkpoint_id, {"splits": splits.id, "content_hash": splits.content_hash}, log) as tracker:
        return _train(lake, environment, use_case, splits, checkpoint_id, inputs, tracker, log)


def _train(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, checkpoint_id: str, inputs: str, tracker: Tracker, log: Any
) -> Trained:
    from ft_platform.models.packed_forward import packed_forward, packing_problem, padded_forward
    from ft_platform.reporting.stage_pages import write_training_report
    from ft_platform.training.checkpoint import write_checkpoint
    from ft_platform.training.loop import train
    from ft_platform.training.lora import add_adapter

    settings = use_case.settings
    started = time.monotonic()
    table = read_splits(lake, splits)
    base = base_model.resolve(settings.base_model, environment.cache_path)
    model, tokenizer = base_model.load(base, settings.base_model.dtype)
    renderer = Renderer(tokenizer, settings.task, labels_of(table))
    sides = {side: render_split(table, side, renderer, use_case) for side in ("train", "validation")}
    model = add_adapter(model, settings.training)
    problem = packing_problem(model, max(len(row.input_ids) for side in sides.values() for row in side.rows))
    batching = f"padded ({problem})" if problem else "packed"
    log.info(f"training on {len(sides['train'].rows)} records, validating on {len(sides['validation'].rows)}; rows are {batching}")
    tracker.parameters({**settings.training.model_dump(mode="json"), "base_model": base.uri, "base_model_sha256": base.weights_sha256, "batching": batching})
    prefix = renderer.prefix_ids()
    rows, validation = (split_off_prefix(side.rows, prefix) for side in sides.values())
    run = train(model, padded_forward if problem else packed_forward, prefix, rows, validation, settings.training, tracker.metrics)
    if run.gpu.problem:
        log.warning(run.gpu.problem)
    info = {**_described(settings, base, model, renderer.hash, batching), "metrics": run.metrics(), "tracking": tracker.state()}
    counts = {side: rendered.counts() for side, rendered in sides.items()}
    with lake.scratch(use_case.name, STAGE) as folder:
        write_checkpoint(folder, model, run, renderer, base, use_case, sides["train"].record_ids, {**info, "counts": counts})
        write_training_report(folder, lake, use_case, checkpoint_id, splits)
        checkpoint = lake.publish(
            use_case.name,
            STAGE,
            checkpoint_id,
            folder,
            parents=[splits],
            settings_hash=STAGES[STAGE].settings_hash(use_case),
            input_hash=inputs,
            counts=counts,
            info=info,
            seconds=time.monotonic() - started,
        )
    if isinstance(tracker.state(), dict):
        with lake.local_copy(checkpoint) as published:
            tracker.finish(run.metrics(), published, {"checkpoint_content_hash": checkpoint.content_hash})
    return Trained(checkpoint, run.metrics(), tracker.state(), reused=False)


def _described(settings: UseCase, base: base_model.ResolvedModel, model: Any, renderer_hash: str, batching: str) -> dict[str, Any]:
    """What computed the weights, for the manifest."""
    import torch

    from ft_platform.training.checkpoint import environment_versions

    return {
        "base_model": {
            "uri": base.uri,
            "sha256": base.weights_sha256,
            "dtype": str(model.dtype).removeprefix("torch."),
            "revision": settings.base_model.revision,
        },
        "renderer_hash": renderer_hash,
        "batching": batching,
        "seed": settings.training.seed,
        "threads": torch.get_num_threads(),
        "device": str(model.device),
        "environment": environment_versions(),
    }
