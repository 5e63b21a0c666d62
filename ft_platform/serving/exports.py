"""Checkpoints in the forms that other engines load, made once and kept in the cache."""

import subprocess
import sys
from pathlib import Path

from ft_platform.errors import ExportRefused
from ft_platform.lake.artifacts import artifact_hash
from ft_platform.lake.files import folder_hashes
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models.cached_folder import compared_folder
from ft_platform.serving.exporting.matrix import Form
from ft_platform.use_case.settings.environment import Environment

WRITING = 3
"""Raise when an export would be written differently."""
NOTED = "exports.json"
"""In the folder of seals: name of an export -> hash of its files."""


def exported(environment: Environment, use_case: str, checkpoint: ArtifactVersion, form: Form) -> Path:
    """The checkpoint in a form that other engines load, from the cache or made now, with its evidence.

    Raises:
        ExportRefused: it cannot be had in this form, or would be another model.
        CorruptVersion: the files in the cache are not those that were written.
    """

    def write(folder: Path) -> None:
        folder.rmdir()  # an export makes its folder
        words = ["--use-case", use_case, "--checkpoint", checkpoint.artifact_id, "--as", form, "--out", str(folder)]
        command = [sys.executable, "-m", "ft_platform.programs.export", *words, "--dtype", "float16"]
        if subprocess.run(command, capture_output=True, text=True, check=False).returncode:
            raise ExportRefused(
                f"{checkpoint.id} cannot be exported as {form}",
                f"See why: ft export {use_case} --checkpoint {checkpoint.artifact_id} --as {form}",
            )

    place = environment.cache_path / "exports" / f"{checkpoint.content_hash[:32]}-{form}-{WRITING}"
    noted = environment.seals_path / NOTED
    return compared_folder(place, write, noted, lambda folder: artifact_hash(folder_hashes(folder)))[0]
