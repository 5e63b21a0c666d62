"""What an experiment depends on. No torch here: the orchestrator asks before it starts a program."""

from pathlib import Path

from ft_platform.environment import Environment
from ft_platform.lake.stage_table import input_hash
from ft_platform.lake.versions import TableVersion
from ft_platform.models.base_model import weights_sha256
from ft_platform.use_case import NamedUseCase, settings_hash

PREFIXES = {"hyperparameter_search": "search", "learning_curve": "curve", "canary_audit": "canaries"}


def experiment_inputs(use_case: NamedUseCase, stage: str, splits: TableVersion) -> tuple[str, str]:
    """Id of the report that these inputs give, and their hash: content of `splits`, settings, code, base model.

    Args:
        stage: `hyperparameter_search`, `learning_curve` or `canary_audit`.

    Raises:
        BaseModelError: the base model is a folder without safetensors weights.
    """
    inputs = input_hash(use_case, stage, [splits], **_weights(use_case))
    return f"{PREFIXES[stage]}-{inputs[:12]}", inputs


def study_id(use_case: NamedUseCase, splits: TableVersion) -> str:
    """Names the study that a search goes on with: everything a trial depends on, but not how many there shall be or how many at once."""
    settings = use_case.settings
    search = settings.search.model_dump(mode="json", exclude={"trials", "parallel"})
    parts = {"base_model": settings.base_model, "task": settings.task, "training": settings.training, "search": search}
    parts["mitigation"] = settings.fairness.in_training
    return settings_hash({**parts, "splits": splits.content_hash, "use_case": use_case.name, **_weights(use_case)})


def _weights(use_case: NamedUseCase) -> dict[str, str]:
    """A folder or file can change under the same name; a pinned package, revision or sha256 cannot."""
    base = Path(use_case.settings.base_model.uri).expanduser()
    return {"base_model_weights": weights_sha256(base)} if base.exists() else {}


def working_folder(environment: Environment, stage: str, use_case: NamedUseCase, experiment: str) -> Path:
    """Where an unfinished experiment keeps what it has, on this machine, until it is published and afterwards."""
    return environment.home / "experiments" / stage / use_case.name / experiment
