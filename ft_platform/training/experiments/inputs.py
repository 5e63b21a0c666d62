"""What an experiment depends on. No torch here: the orchestrator asks before it starts a program."""

from pathlib import Path

from ft_platform.errors import ConfigError
from ft_platform.evaluation.inputs import local_weights
from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hash import settings_hash

PREFIXES = {
    "hyperparameter_search": "search",
    "learning_curve": "curve",
    "canary_audit": "canaries",
    "seed_variation": "seeds",
}
SEEDS = 2**31
"""So many values `training.seed` has; after the last comes 0."""


def experiment_inputs(
    use_case: NamedUseCase, stage: str, splits: TableVersion, *others: ArtifactVersion
) -> tuple[str, str]:
    """Id of the report that these inputs give, and their hash: content of `splits`, settings, code, base model.

    Args:
        stage: one of `PREFIXES`.
        others: of `seed_variation` the evaluation report.

    Raises:
        BaseModelError: the base model is a folder without safetensors weights.
    """
    inputs = input_hash(use_case, stage, [splits, *others], **_weights(use_case))
    return f"{PREFIXES[stage]}-{inputs[:12]}", inputs


def study_id(use_case: NamedUseCase, splits: TableVersion) -> str:
    """Names the study that a search goes on with: everything a trial depends on, but not how many there shall be or how
    many at once."""
    settings = use_case.settings
    search = settings.search.model_dump(mode="json", exclude={"trials", "parallel"})
    parts = {"base_model": settings.base_model, "task": settings.task, "training": settings.training, "search": search}
    parts["mitigation"] = settings.fairness.in_training
    return settings_hash({**parts, "splits": splits.content_hash, "use_case": use_case.name, **_weights(use_case)})


def recipe_id(use_case: NamedUseCase, splits: TableVersion) -> str:
    """Names what a training with another seed and its answers to the test records depend on. Not on the number of
    seeds, and not on the systems beside it: with another champion, or one seed more, nothing is trained again."""
    settings = use_case.settings
    asked = settings.evaluation.model_dump(
        mode="json", exclude={"bootstrap_samples", "confidence", "min_slice_rows", "endpoints", "golden"}
    )
    parts = {
        "base_model": settings.base_model,
        "task": settings.task,
        "training": settings.training,
        "evaluation": asked,
    }
    parts["mitigation"] = settings.fairness.in_training
    similar = settings.evaluation.similarity_model
    weights = {**_weights(use_case), **(local_weights("similarity_model", similar) if similar else {})}
    version = STAGES["seed_variation"].version
    return settings_hash(
        {**parts, "splits": splits.content_hash, "use_case": use_case.name, "version": version, **weights}
    )


def seeds_of(use_case: NamedUseCase) -> list[int]:
    """The seeds that are compared, that of the checkpoint first."""
    return [
        (use_case.settings.training.seed + further) % SEEDS for further in range(use_case.settings.seed_variation.seeds)
    ]


def require_several(use_case: NamedUseCase) -> None:
    """Raises ConfigError where the use case asks for one seed only."""
    if use_case.settings.seed_variation.seeds == 1:
        raise ConfigError(
            ["seed_variation.seeds is 1: there is nothing to compare"], "Set seed_variation.seeds to 3 or more"
        )


def _weights(use_case: NamedUseCase) -> dict[str, str]:
    return local_weights("base_model_weights", use_case.settings.base_model)


def working_folder(environment: Environment, stage: str, use_case: NamedUseCase, experiment: str) -> Path:
    """Where an unfinished experiment keeps what it has, on this machine, until it is published and afterwards."""
    return environment.home / "experiments" / stage / use_case.name / experiment
