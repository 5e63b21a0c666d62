"""What may hold something of a person and is made again where it is needed."""

import shutil
from collections.abc import Collection
from contextlib import suppress

from ft_platform.lake.versions import ArtifactVersion
from ft_platform.settings.environment import Environment


def remove_caches(environment: Environment, use_case: str, checkpoints: Collection[ArtifactVersion]) -> None:
    """Removes remembered findings and answers of experiments of a use case, and exports of checkpoints."""
    home = environment.home
    gone = [home / "findings" / use_case, *home.glob(f"experiments/*/{use_case}")]
    for checkpoint in checkpoints:
        gone += home.glob(f"exports/{checkpoint.artifact_id}-*")
        gone += (environment.cache_path / "exports").glob(f"{checkpoint.content_hash[:32]}-*")
    for folder in gone:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
