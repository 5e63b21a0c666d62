"""What an attack depends on. No torch here: the orchestrator asks before it starts a program."""

from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.use_case.named import NamedUseCase

FIGURES = "privacy.json"
STAGE = "privacy_report"


def attack_inputs(use_case: NamedUseCase, splits: TableVersion, checkpoint: ArtifactVersion) -> tuple[str, str]:
    """Id of the privacy report that these inputs give, and their hash: content of the parents, settings and code
    version."""
    inputs = input_hash(use_case, STAGE, [splits, checkpoint])
    return f"attack-{inputs[:12]}", inputs
