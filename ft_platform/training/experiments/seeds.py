"""Trains the recipe of a checkpoint with further seeds, lets each answer the test records of its evaluation, and
publishes what is luck of the seed.

The checkpoint stays the one of `training.seed`: the other weights answer the test records and are thrown away, so that
nobody can release the best of several seeds.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_platform.errors import TrainingFailed
from ft_platform.evaluation.champion_system import require_same_rendering
from ft_platform.evaluation.evaluate import Evaluator, ready_evaluator
from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.metric import metric_versions
from ft_platform.evaluation.predictions import outputs_in, predictions_table, rows_of
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.similarities import add_similarities
from ft_platform.lake.files import folder_hashes
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.models import base_model
from ft_platform.models.base_model import ResolvedModel
from ft_platform.process import progress
from ft_platform.process.memory import give_back
from ft_platform.training.experiments.inputs import seeds_of
from ft_platform.training.experiments.seed_figures import seed_figures, seed_sentences
from ft_platform.training.experiments.seed_results import STAGE, Answered, SeedTraining, keep, made
from ft_platform.training.experiments.training_once import train_once, with_training
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def measured(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    evaluation: ArtifactVersion,
    folder: Path,
    log: Any,
) -> tuple[dict[str, Any], pa.Table]:
    """What `seeds.json` holds, and the answers of the further seeds."""
    checkpoint = _checkpoint_of(lake, evaluation)
    training = json.loads(lake.read_file(checkpoint, "training.json"))
    if before := training.get("continued_from"):
        raise TrainingFailed(
            f"{checkpoint.id} was continued from {before['checkpoint']}, and other seeds train from the start: their"
            " spread says nothing about it",
            f"Train from the start: ft run {use_case.name}, without --continue",
        )
    evaluator, resolved = ready_evaluator(lake, environment, use_case, splits, STAGE)
    evaluator.model = None  # the trainings come first, and load one of their own
    require_same_rendering(training, evaluator.renderer, resolved, checkpoint)
    evaluated = read_predictions(lake, evaluation)
    own = SeedTraining(
        use_case.settings.training.seed,
        weights_digest(lake.manifest(checkpoint).files),
        training["metrics"]["validation_loss"],
    )
    answered = {own.seed: Answered(own, rows_of(evaluated, FINE_TUNED)), **made(lake, use_case, folder.name, folder)}
    seeds = seeds_of(use_case)
    if there := len(answered.keys() & set(seeds)) - 1:
        log.info(f"{there} of {len(seeds) - 1} trainings with other seeds are done")
    for done, seed in enumerate(seeds):
        progress.report(STAGE, done, len(seeds), "seeds")
        if seed not in answered:
            answered[seed] = _answered(lake, environment, use_case, splits, evaluator, resolved, seed)
            keep(folder, answered[seed])
        _require_another(answered[seed].training, [answered[before].training for before in seeds[:done]])
    progress.report(STAGE, len(seeds), len(seeds), "seeds")
    labels = sorted({*evaluator.train.answers, *evaluator.test.answers}) if evaluator.classification else []
    read = (evaluator.test, labels, evaluator.schema, evaluator.style)
    outputs = outputs_in(evaluated, *read)
    tuned = {seed: next(iter(outputs_in(answered[seed].predictions, *read).values())) for seed in seeds}
    others = {system: one for system, one in outputs.items() if system != FINE_TUNED}
    found = {
        "evaluation": evaluation.id,
        "checkpoint": checkpoint.id,
        "seeds": [asdict(answered[seed].training) for seed in seeds],
        **seed_figures(tuned, others, use_case.settings.task.kind, use_case.settings.evaluation),
        "renderer_hash": evaluator.renderer.hash,
        "metric_versions": metric_versions(),
    }
    return {**found, "conclusion": seed_sentences(found)}, pa.concat_tables(
        [answered[seed].predictions for seed in seeds[1:]]
    )


def _checkpoint_of(lake: Lake, evaluation: ArtifactVersion) -> ArtifactVersion:
    parent = next(parent for parent in lake.manifest(evaluation).parents if parent.name == "adapter_checkpoint")
    found = version_of_parent(lake, evaluation.use_case, parent)
    assert isinstance(found, ArtifactVersion)
    return found


def _answered(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    splits: TableVersion,
    evaluator: Evaluator,
    resolved: ResolvedModel,
    seed: int,
) -> Answered:
    """Trains with a seed, and evaluates as a checkpoint is: the weights written, then loaded beside a fresh base model.
    They are thrown away."""
    from ft_platform.models.adapter import with_adapter
    from ft_platform.training.checkpoint import write_weights

    run, prepared = train_once(lake, environment, with_training(use_case, seed=seed), splits)
    with lake.scratch(use_case.name, STAGE) as folder:
        folder.mkdir(parents=True)
        write_weights(folder, prepared)
        training = SeedTraining(seed, weights_digest(folder_hashes(folder)), run.best_loss)
        del run, prepared
        give_back()
        model, _ = base_model.load(resolved, *evaluator.precision)
        evaluator.model = with_adapter(model, folder)
        system = f"seed_{seed}"
        outputs = {system: evaluator.tuned(system).outputs[system]}
        evaluator.model = None
    add_similarities(outputs, use_case, environment)
    return Answered(training, predictions_table(use_case, evaluator.test, outputs))


def weights_digest(files: Mapping[str, str]) -> str:
    """64 hex digits that are equal for equal weights.

    Args:
        files: of a checkpoint, name -> sha256.
    """
    weights = sorted((name, digest) for name, digest in files.items() if name.endswith(".safetensors"))
    return hashlib.sha256(json.dumps(weights).encode()).hexdigest()


def _require_another(training: SeedTraining, before: list[SeedTraining]) -> None:
    """Raises TrainingFailed if a seed gave the weights of an earlier one: their agreement would say nothing."""
    same = [one.seed for one in before if one.adapter_sha256 == training.adapter_sha256]
    if same:
        raise TrainingFailed(
            f"seeds {same[0]} and {training.seed} gave the same weights: the seed changes nothing in this training, so"
            " their agreement proves nothing",
            "Set seed_variation.seeds to 1, or find out why neither the new weights nor the order of records depends"
            " on training.seed",
        )
