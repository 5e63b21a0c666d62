"""Folders that `datasets.save_to_disk` of Hugging Face writes: which of their files are data. The library itself is not
needed.

Source: `datasets/arrow_dataset.py` and `dataset_dict.py`, `save_to_disk`: `state.json` names the arrow files of a
dataset, `dataset_dict.json` the folders of several.
"""

import json
from typing import Any

import fsspec

from ft_platform.errors import SourceError

STATE, INFO, SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
MAX_BYTES = 1 << 24


def saved_files(fs: fsspec.AbstractFileSystem, folder: str) -> list[str] | None:
    """Paths of the arrow files of a saved dataset, or of all splits of it; None if the folder is none.

    Raises:
        SourceError: a file of it is missing or damaged, or it was saved with a selection of rows that the files do not
            show.
    """
    if fs.exists(f"{folder}/{SPLITS}"):
        splits = _json(fs, f"{folder}/{SPLITS}").get("splits", [])
        return [path for split in splits if _is_name(split) for path in saved_files(fs, f"{folder}/{split}") or []]
    if not (fs.exists(f"{folder}/{STATE}") and fs.exists(f"{folder}/{INFO}")):
        return None
    state = _json(fs, f"{folder}/{STATE}")
    if state.get("_indices_files") or state.get("_indices_data_files"):
        raise SourceError(f"{folder} holds a selection of rows of a dataset", "Save it again after `flatten_indices()`")
    names = [one.get("filename") for one in state.get("_data_files", [])]
    if not names or not all(map(_is_name, names)):
        raise SourceError(f"{folder}/{STATE} names no data files of its folder", "Save the dataset again")
    return [f"{folder}/{name}" for name in names]


def _json(fs: fsspec.AbstractFileSystem, path: str) -> dict[str, Any]:
    try:
        with fs.open(path, "rb") as file:
            found = json.loads(file.read(MAX_BYTES))  # type: ignore[union-attr]
    except (ValueError, RecursionError):
        raise SourceError(f"{path} is no JSON", "Save the dataset again") from None
    if not isinstance(found, dict):
        raise SourceError(f"{path} is no JSON object", "Save the dataset again")
    return found


def _is_name(name: Any) -> bool:
    """A file or folder directly below: a path may lead elsewhere."""
    return isinstance(name, str) and "/" not in name and "\\" not in name and name not in ("", ".", "..")
