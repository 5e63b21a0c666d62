"""Only plain files inside the folder itself, and none that a loader would unpickle or follow elsewhere."""

import hashlib
import re
import stat
from pathlib import Path

from ft_platform.models.guards.plain_json import read_object, refused

SNAPSHOT = re.compile(r"^models--[\w.\-]+$")
PICKLES = (".pkl", ".pickle", ".joblib", ".dill", ".npy", ".npz")
"""Vocabularies and scalers of old models come as these; numpy files may hold pickled objects."""

REDIRECTS = ("adapter_config.json",)
"""transformers would follow `base_model_name_or_path` in it to another model."""


def require_plain_files(folder: Path) -> None:
    """Raises BaseModelError if an entry is a device, pipe, socket or pickle, or a link that leaves the folder.

    In the cache of the hub a snapshot links to `blobs` beside it, within the repository's folder: that is where its
    links may lead."""
    root = _root(folder).resolve()
    for path in sorted(folder.iterdir()):
        target = path.resolve()
        if path.is_symlink() and root not in target.parents:
            refused(path.name, "it is a link that leaves the folder of the model", "Copy the file into the folder")
        if not target.exists():
            refused(path.name, "it is a link to nothing", "Download the model again")
        mode = target.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            refused(path.name, "it is a device, pipe or socket, not a plain file", "Remove it")
        if path.suffix.lower() in PICKLES:
            refused(
                path.name,
                "a pickle can run code when it is loaded",
                "Remove it, and convert the tokenizer to tokenizer.json if it was part of it",
            )
        if path.name in REDIRECTS:
            refused(
                path.name,
                "the folder is an adapter, whose configuration names another model to load",
                "Name the folder of the base model",
            )


def require_own_shards(folder: Path) -> None:
    """Raises BaseModelError if an index of weights names a file outside the folder, one that is not there, or one that
    is no safetensors."""
    for index in sorted(folder.glob("*.index.json")):
        weight_map = read_object(index).get("weight_map")
        if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
            refused(index.name, "weight_map must map tensor names to file names")
        for name in sorted(set(weight_map.values())):
            if Path(name).name != name or not name.endswith(".safetensors"):
                refused(index.name, f"it names {name[:60]!r}, which is no safetensors file of this folder")
            if not (folder / name).is_file():
                refused(index.name, f"it names {name[:60]!r}, which is missing", "Download the model again")


def require_intact_blobs(folder: Path) -> None:
    """Compares each file of a hub snapshot with the hash that its blob is named by: sha256 of large files, git's SHA-1
    of the others.

    Raises:
        BaseModelError: a download was cut, or the cache was changed.
    """
    for path in sorted(folder.iterdir()):
        blob = path.resolve()
        if not path.is_symlink() or blob.parent.name != "blobs":
            continue
        expected, found = blob.name, _hash_like(blob.name, blob)
        if found is not None and found != expected:
            refused(
                path.name,
                f"the hub names it {expected[:12]}, but the bytes on the disk have {found[:12]}",
                f"Remove {blob}, it is downloaded again",
            )


def _hash_like(name: str, blob: Path) -> str | None:
    if re.fullmatch(r"[0-9a-f]{64}", name):
        with open(blob, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if re.fullmatch(r"[0-9a-f]{40}", name):
        content = blob.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return None


def _root(folder: Path) -> Path:
    is_snapshot = folder.parent.name == "snapshots" and SNAPSHOT.match(folder.parent.parent.name)
    return folder.parent.parent if is_snapshot else folder
