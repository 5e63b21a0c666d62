"""Checkpoints in the forms that other engines load, made once and kept in the cache."""

import json
import subprocess
import sys
from pathlib import Path

from ft_platform.errors import CorruptVersion, ExportRefused
from ft_platform.exporting.matrix import TOLD, Form
from ft_platform.lake.files import sha256_file
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.settings.environment import Environment


def exported(environment: Environment, use_case: str, checkpoint: ArtifactVersion, form: Form) -> Path:
    """The checkpoint in a form that other engines load, from the cache or made now, with its evidence.

    Raises:
        ExportRefused: it cannot be had in this form, or would be another model.
        CorruptVersion: a file in the cache is not the one that was written.
    """
    folder = environment.cache_path / "exports" / f"{checkpoint.content_hash[:32]}-{form}"
    if not folder.exists():
        words = ["--use-case", use_case, "--checkpoint", checkpoint.artifact_id, "--as", form, "--out", str(folder)]
        command = [sys.executable, "-m", "ft_platform.programs.export", *words, "--dtype", "float16"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ExportRefused(
                f"{checkpoint.id} cannot be exported as {form}",
                f"See why: ft export {use_case} --checkpoint {checkpoint.artifact_id} --as {form}",
            )
    try:
        files = json.loads((folder / TOLD).read_text(encoding="utf-8"))["files"]
        altered = [one for one, digest in files.items() if sha256_file(folder / one) != digest]
    except (OSError, ValueError, KeyError) as error:
        raise CorruptVersion(f"{folder} is not as it was exported ({type(error).__name__})", "Remove it") from None
    if altered:
        raise CorruptVersion(f"{', '.join(altered)} in {folder} was altered since it was exported", "Remove the folder")
    return folder
