"""What an attack depends on. No torch here: the orchestrator asks before it starts a program."""

from ft_platform.errors import KeyMissing
from ft_platform.lake.input_hash import input_hash
from ft_platform.lake.keys.key_ring import read_key_ring, vault_key_place
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

FIGURES = "privacy.json"
STAGE = "privacy_report"


def attack_inputs(
    environment: Environment, use_case: NamedUseCase, splits: TableVersion, checkpoint: ArtifactVersion
) -> tuple[str, str]:
    """Id of the privacy report that these inputs give, and their hash: content of the parents, settings, code version,
    and whether there is a key to compare with the originals in the vault: one without is made again once there is."""
    compared = {"originals": "compared"} if use_case.settings.privacy.vault and _has_vault_key(environment) else {}
    inputs = input_hash(use_case, STAGE, [splits, checkpoint], **compared)
    return f"attack-{inputs[:12]}", inputs


def _has_vault_key(environment: Environment) -> bool:
    try:
        read_key_ring(vault_key_place(environment))
    except KeyMissing:
        return False
    return True
