"""What may hold something of a person and is made again where it is needed."""

import re
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from ft_platform.erasure.needles import Needles
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.sources.samples.generator import ENDINGS
from ft_platform.use_case.settings.environment import Environment

GENERATED = re.compile(rf"(?:{'|'.join(ENDINGS)})-\d+-\d+(?:-[a-z]+\d+)?-[0-9a-f]{{8}}\.(?:csv|json|truth\.json)")
"""Names that `sources.samples.generator.sample_file` gives."""


def remembered(environment: Environment, use_case: str) -> list[Path]:
    """Folders with remembered findings and answers of experiments of a use case."""
    home = environment.home
    return [path for path in (home / "findings" / use_case, *home.glob(f"experiments/*/{use_case}")) if path.is_dir()]


def exports_of(environment: Environment, checkpoint: ArtifactVersion) -> list[Path]:
    """Folders with exports of a checkpoint."""
    kept = (environment.cache_path / "exports").glob(f"{checkpoint.content_hash[:32]}-*")
    return [*environment.home.glob(f"exports/{checkpoint.artifact_id}-*"), *kept]


def generated_files(environment: Environment) -> list[Path]:
    """Files of samples that any version of the platform has generated; none that others put there."""
    return sorted(path for path in (environment.home / "samples").glob("*") if GENERATED.fullmatch(path.name))


def samples_with(environment: Environment, needles: Needles) -> list[Path]:
    """Files of samples that the platform generated, which hold something; a sample goes with its ground truth."""
    files = generated_files(environment)
    hit = {path.name.partition(".")[0] for path in files if needles.count(path.read_bytes())}
    return [path for path in files if path.name.partition(".")[0] in hit]


def remove_caches(environment: Environment, use_case: str, checkpoints: Collection[ArtifactVersion]) -> None:
    """Removes what is remembered of a use case, and exports of checkpoints."""
    for folder in [
        *remembered(environment, use_case),
        *(p for one in checkpoints for p in exports_of(environment, one)),
    ]:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
