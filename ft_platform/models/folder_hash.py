"""Hashes of what is loaded from a folder of a base model."""

import hashlib
import re
from pathlib import Path

from ft_platform.lake.files import sha256_file

LOADED = ("*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken", "additional_chat_templates/*.jinja")
"""Beside the weights: configuration, tokenizer, templates, and which tensor is in which file."""
VERSION = re.compile(rb'"transformers_version": "[0-9A-Za-z.+]*"')
"""What a conversion by another version of transformers writes differently, and nothing reads."""


def weights_of(folder: Path) -> str:
    """Hash of all safetensors files; of a single one that of the file."""
    files = sorted(folder.glob("*.safetensors"))
    if len(files) == 1:
        return sha256_file(files[0])
    return hashlib.sha256("\n".join(f"{path.name} {sha256_file(path)}" for path in files).encode()).hexdigest()


def folder_sha256(folder: Path, weights: str = "") -> str:
    """Hash of all that transformers loads from a folder.

    Args:
        weights: `weights_of` the folder, where it is known.
    """
    files = sorted({path for pattern in LOADED for path in folder.glob(pattern) if path.is_file()})
    lines = [
        f"{path.relative_to(folder).as_posix()} {hashlib.sha256(VERSION.sub(b'', path.read_bytes())).hexdigest()}"
        for path in files
    ]
    return hashlib.sha256("\n".join([weights or weights_of(folder), *lines]).encode()).hexdigest()
