"""Tokens of each text by a tokenizer of the library `tokenizers`, exactly as the base model counts them."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ft_platform.cleaning.filters import CleanedRecords
from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.lake.files import sha256_file
from ft_platform.use_case.settings.cleaning import Cleaning


def token_counts(records: CleanedRecords, settings: Cleaning) -> np.ndarray:
    """Tokens of each text, without the markers of a chat template. Shape `(rows,)`.

    Raises:
        MissingExtra: `tokenizers` is not installed.
        ConfigError: there is no such tokenizer.
    """
    if "tokens" not in records.memo:
        records.memo["tokens"] = counted(records.texts.to_pylist(), settings)
    return records.memo["tokens"]


def counted(texts: list[str], settings: Cleaning) -> np.ndarray:
    """Tokens of each text by the tokenizer that `cleaning.tokenizer` names. Shape `(texts,)`; raises as
    `token_counts`."""
    encoded = _tokenizer(str(tokenizer_file(settings))).encode_batch_fast(texts, add_special_tokens=False)
    return np.fromiter((len(text.ids) for text in encoded), np.int64, len(encoded))


def tokenizer_file(settings: Cleaning) -> Path:
    """The `tokenizer.json` that `cleaning.tokenizer` names.

    Raises:
        ConfigError: it does not exist.
    """
    named = Path(settings.tokenizer or "").expanduser()
    file = named / "tokenizer.json" if named.is_dir() else named
    if not file.is_file():
        raise ConfigError(
            [f"cleaning.tokenizer {settings.tokenizer} must be a tokenizer.json or a folder with one"],
            "Name the folder of the base model",
        )
    return file


def tokenizer_fingerprint(settings: Cleaning) -> dict[str, str]:
    """What the result depends on beside the settings: the tokenizer's sha256, if there is one."""
    return {"tokenizer_sha256": sha256_file(tokenizer_file(settings))} if settings.tokenizer else {}


@cache
def _tokenizer(file: str) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra("tokenizers", "train") from error
    try:
        return Tokenizer.from_file(file)
    except Exception as error:  # the library raises plain Exception for a file that is no tokenizer
        raise ConfigError(
            [f"cleaning.tokenizer {file} is not a tokenizer of the library tokenizers: {type(error).__name__}"]
        ) from error
