"""A classifier of words as a folder: its two files byte by byte, and a script that scores a text with them."""

import shutil
from pathlib import Path
from typing import Any

from ft_platform.errors import ExportRefused
from ft_platform.lake.files import sha256_file
from ft_platform.models.guards.own_files import TERM_WEIGHTS, TERMS
from ft_platform.models.text_classifier import TextClassifier

LOADER = Path(__file__).with_name("words_loader.py")
NAMES = (TERMS, TERM_WEIGHTS)


def write_words(folder: Path, checkpoint: Path) -> None:
    for name in NAMES:
        shutil.copyfile(checkpoint / name, folder / name)
    shutil.copyfile(LOADER, folder / "load.py")


def require_same_words(folder: Path, checkpoint: Path) -> dict[str, Any]:
    """That the files on disk are the checkpoint's, byte by byte.

    Raises:
        ExportRefused: they are not.
        BaseModelError: a file is damaged.
    """
    TextClassifier.load(folder)
    hashes = {name: sha256_file(checkpoint / name) for name in NAMES}
    if changed := [name for name in NAMES if sha256_file(folder / name) != hashes[name]]:
        raise ExportRefused(f"not as in the checkpoint: {', '.join(changed)}", "Export it again")
    return {"status": "equal", "ok": True, "problems": [], "same_files": hashes}
