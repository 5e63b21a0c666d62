"""From a version of `splits` to a published checkpoint."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ft_platform.costs.budgets import used_up
from ft_platform.costs.quotas import used_up_quota
from ft_platform.errors import ConfigError, DoesNotFit, OutOfMemory
from ft_platform.lake.draft import Draft
from ft_platform.lake.lease import lease
from ft_platform.lake.provenance import training_record_ids
from ft_platform.lake.store import Lake
from ft_platform.lake.training_states import TrainingStates
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.tracking import Tracker, tracker_for
from ft_platform.training import continuing, window
from ft_platform.training.continuing import require_no_leak, start_of
from ft_platform.training.fit_check import require_fit
from ft_platform.training.inputs import checkpoint_inputs
from ft_platform.training.prepare import fit, prepare
from ft_platform.training.prepared import Prepared
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.training import Training

STAGE = "adapter_checkpoint"
COMPUTING = ("attention", "liger", "compile")
"""Settings of `compute` that change the last bits of the weights."""


@dataclass(frozen=True)
class Trained:
    """A checkpoint and the figures of its training; `reused`: it was there already."""

    checkpoint: ArtifactVersion
    metrics: dict[str, Any]
    tracking: Any
    reused: bool


def checkpoint_for(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, log: Any
) -> Trained:
    """The checkpoint that these inputs give: an existing one, or a newly trained and published one.

    A training that was killed goes on from its last saved state. SIGTERM and SIGINT end it after the step it is in.

    Args:
        splits: a version that passed the gate (`lake.gate.require_usable`).

    Raises:
        BaseModelError, DataError, NanLoss, OutOfMemory: nothing was published.
        Preempted, TimeLimitReached: nothing was published, the state was saved.
        TrainerRunning: another process trains this checkpoint.
    """
    from ft_platform.training import processes

    start = start_of(lake, use_case, splits)
    parents = [splits, *([start] if start else [])]
    draft = Draft(lake, use_case, STAGE, *checkpoint_inputs(use_case, splits, start), parents)
    folders = TrainingStates(lake, splits, draft.id, use_case.settings.compute.states_kept)
    existing = _existing(draft, log)
    if existing and not folders.steps():
        processes.gathered((False, None))
        return existing
    if start:
        require_no_leak(lake, use_case, splits, start)
    with lease(lake, use_case.name, draft.id) as held:
        if existing := _existing(draft, log):
            folders.remove()  # of a process that was killed between publishing and this
            processes.gathered((False, None))
            return existing
        processes.gathered((True, start))
        origin = {"splits": splits.id, "content_hash": splits.content_hash}
        origin |= {"continued_from": start.id} if start else {}
        with tracker_for(environment, use_case, STAGE, draft.id, origin, log) as tracker:
            return _train(draft, environment, splits, start, folders, tracker, log, held)


def help_with_training(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, log: Any
) -> None:
    """What the other processes do while the first one is in `checkpoint_for`: their share of every batch, if it
    trains."""
    from ft_platform.training import processes
    from ft_platform.training.checkpoint import hand_over
    from ft_platform.training.state import States
    from ft_platform.training.stopping import Stopping

    (trains, start), *_ = processes.gathered(None)
    if not trains:
        return
    compute = use_case.settings.compute
    checkpoint_id, _ = checkpoint_inputs(use_case, splits, start)
    states = States(TrainingStates(lake, splits, checkpoint_id, compute.states_kept), compute.save_minutes * 60, log)
    stopping = Stopping(use_case.name)
    with stopping.on_signals():
        tracker = Tracker("the first process tracks")
        prepared, _, run = _fit_in_memory(lake, environment, use_case, splits, start, states, stopping, tracker, log)
    hand_over(prepared, run)


def _existing(draft: Draft, log: Any) -> Trained | None:
    existing = draft.existing()
    if existing is None:
        return None
    info = draft.lake.manifest(existing).info
    log.info(f"{draft.id} was trained on the same content with the same settings: unchanged, reused")
    return Trained(existing, info["metrics"], info.get("tracking"), reused=True)


def _train(
    draft: Draft,
    environment: Environment,
    splits: TableVersion,
    start: ArtifactVersion | None,
    folders: TrainingStates,
    tracker: Tracker,
    log: Any,
    held: Callable[[], bool],
) -> Trained:
    from ft_platform.reporting.stage_pages import write_training_report
    from ft_platform.training.checkpoint import write_checkpoint
    from ft_platform.training.state import States
    from ft_platform.training.stopping import Stopping, telling_what_was_saved

    lake, use_case = draft.lake, draft.use_case
    compute = use_case.settings.compute
    profile = environment.profile(compute.profile)
    name = continuing.name_to_type(use_case)
    limited = lake, environment, use_case, profile
    stopping = Stopping(name, compute.timeout_minutes * 60, held, lambda: used_up(*limited) or used_up_quota(*limited))
    states = States(folders, compute.save_minutes * 60, log)
    may_halve = compute.on_out_of_memory == "stop" and _can_halve(use_case)
    with stopping.on_signals(), telling_what_was_saved(name, folders.steps, may_halve):
        prepared, training, run = _fit_in_memory(
            lake, environment, use_case, splits, start, states, stopping, tracker, log
        )
    if run.gpu.problem:
        log.warning(run.gpu.problem)
    metrics = run.metrics()  # once: peak memory grows while the checkpoint is written
    before = metrics["validation_loss_before"]
    if start and run.best_loss > before:
        log.warning(
            f"continuing made the validation loss worse: {before:.4g} with {start.id}, {run.best_loss:.4g} now. A lower"
            " training.learning_rate may help"
        )
    info = {
        **described(use_case, prepared),
        **({"continued_from": continuing.described(lake, start)} if start else {}),
        **({"chosen_records": prepared.chosen} if prepared.chosen else {}),
        "attempts": run.attempts,
        "kernels": run.attempts[-1]["kernels"],
        "damaged_states": len(states.damaged),
        "differential_privacy": run.privacy and run.privacy.to_dict(),
        "metrics": metrics,
        "tracking": tracker.state(),
        "micro_batch_tokens": training.micro_batch_tokens,
    }
    counts = {side: rendered.counts() for side, rendered in prepared.sides.items()}
    with draft.folder() as folder:
        earlier = training_record_ids(lake, start) if start else ()
        write_checkpoint(folder, prepared, run, use_case, {**info, "counts": counts}, earlier)
        write_training_report(folder, draft)
        checkpoint = draft.publish(folder, counts, info)
    states.remove()
    if isinstance(tracker.state(), dict):
        with lake.local_copy(checkpoint) as published:
            tracker.finish(metrics, published, {"checkpoint_content_hash": checkpoint.content_hash})
    return Trained(checkpoint, metrics, tracker.state(), reused=False)


def _fit_in_memory(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    start: ArtifactVersion | None,
    states: Any,
    stopping: Any,
    tracker: Tracker,
    log: Any,
) -> tuple[Prepared, Training, Any]:
    """Trains; where memory does not suffice and `compute.on_out_of_memory` says so, again with half as many tokens at
    once."""
    from ft_platform.models.kernels.recomputation import recomputes
    from ft_platform.training import processes

    compute, smaller = use_case.settings.compute, {}
    profile = environment.profile(compute.profile)
    divides = profile.sharded and processes.count() > 1
    if divides and use_case.settings.training.differential_privacy.on:
        raise ConfigError(
            ["training.differential_privacy does not work with a `sharded` compute profile"],
            "Name another compute.profile",
        )
    while True:
        prepared = prepare(lake, environment, use_case, splits, not divides, start, divides)
        training = prepared.training.model_copy(update=smaller)
        rows = {side: len(rendered.rows) for side, rendered in prepared.sides.items()}
        for name, (value, why) in prepared.recipe.chosen.items():
            log.info(f"training.{name}: {value} ({why})")
        log.info(
            f"training on {rows['train']} records, validating on {rows['validation']}; rows are {prepared.batching};"
            f" fused: {prepared.layers}{f'; continues from {start.id}' if start else ''}"
        )
        if prepared.chosen:
            log.info(window.in_words(prepared.chosen))
        if prepared.chosen.get("labels_without_records"):
            log.warning(
                f"{prepared.chosen['labels_without_records']} labels have no record among the chosen ones, so they are"
                " not learned. A longer training.window_days or a training.replay_share helps"
            )
        base = {
            "base_model": prepared.base.uri,
            "base_model_sha256": prepared.base.weights_sha256,
            "batching": prepared.batching,
        }
        tracker.parameters({**training.model_dump(mode="json"), **base})
        if prepared.objective is None:  # nothing of it is computed step by step
            return prepared, training, fit(prepared, training, on_step=tracker.metrics)
        try:
            if not divides:
                require_fit(prepared, training, profile, use_case)
            if training.differential_privacy.on:
                log.info(f"differential privacy: {_promised(prepared, training)}")
            if recomputes(prepared.model):
                log.info(
                    "layers keep their inputs only and are computed again in the backward pass"
                    " (training.gradient_checkpointing)"
                )
            return prepared, training, fit(prepared, training, on_step=tracker.metrics, states=states, limit=stopping)
        except (OutOfMemory, DoesNotFit):
            halves = compute.on_out_of_memory == "halve" and _can_halve(use_case)
            half = _halved(prepared, training) if halves else None
            if half is None:
                raise
        smaller = {"micro_batch_tokens": half}
        log.warning(f"out of memory: training goes on with training.micro_batch_tokens={half}")


def _can_halve(use_case: NamedUseCase) -> bool:
    """Whether smaller micro-batches are possible: of several processes one alone cannot take smaller steps than the
    others, and with differential privacy each row is alone already."""
    from ft_platform.training import processes

    return processes.count() == 1 and not use_case.settings.training.differential_privacy.on


def _promised(prepared: Prepared, training: Training) -> str:
    from ft_platform.training.loop import planned_steps
    from ft_platform.training.private_gradients import budget_of

    return budget_of(prepared.rows, planned_steps(len(prepared.rows), training)[0], training).in_words()


def _halved(prepared: Prepared, training: Training) -> int | None:
    """Half as many tokens at once, or None where already a single row fills them."""
    make = [*prepared.rows, *prepared.validation]
    longest = prepared.objective.shared_tokens + max(map(prepared.objective.length, make))
    half = training.micro_batch_tokens // 2
    return half if half >= max(longest, 64) else None


def described(use_case: NamedUseCase, prepared: Prepared) -> dict[str, Any]:
    """What computes the weights, for the manifest."""
    import torch

    from ft_platform.training import processes, sharding
    from ft_platform.training.checkpoint import environment_versions
    from ft_platform.training.lora import trainable

    model, base, compute = prepared.model, prepared.base, use_case.settings.compute
    return {
        "base_model": {
            "uri": base.uri,
            "sha256": base.weights_sha256,
            "folder_sha256": base.folder_sha256,
            "dtype": prepared.dtype,
            "quantization": use_case.settings.base_model.quantization,
            "revision": use_case.settings.base_model.revision,
            "commit": prepared.base.commit or None,
        },
        "renderer_hash": prepared.renderer.hash,
        "batching": prepared.batching,
        "fused": prepared.layers,
        "computing": {name: getattr(compute, name) for name in COMPUTING},
        "processes": processes.count(),
        "sharded": sharding.is_divided(trainable(model)),
        "seed": use_case.settings.training.seed,
        "threads": torch.get_num_threads(),
        "device": str(model.device),
        "environment": environment_versions(),
    }
