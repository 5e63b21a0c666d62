"""Vectors of sentences: a transformers encoder in a local folder, as sentence-transformers stores them.

Covered: pooling by mean or by the first token, as `1_Pooling/config.json` says (mean without it). Not covered: dense
layers after the pooling, instructions before the text; a folder with such a layer is refused. No code of the folder is
run, and nothing is downloaded."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.lake.files import sha256_file

MAX_TOKENS = 512
TEXTS_AT_ONCE = 32
POOLING = "1_Pooling/config.json"
FILES = ("*.safetensors", "config.json", "tokenizer*", "vocab*", "modules.json", POOLING)
"""What the vectors depend on."""
KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")
HOW = (
    "Name a folder with config.json, tokenizer and *.safetensors, such as `hf download <org/name> --local-dir <folder>`"
    " makes"
)


def encoder_fingerprint(name: str, setting: str) -> str:
    """One sha256 over the files of the folder.

    Args:
        name: the folder.
        setting: which setting names it, for messages.

    Raises:
        ConfigError: it is no folder with safetensors weights.
    """
    folder = _folder(name, setting)
    files = sorted({file for pattern in FILES for file in folder.glob(pattern) if file.is_file()})
    return hashlib.sha256(
        "\n".join(f"{file.relative_to(folder)} {sha256_file(file)}" for file in files).encode()
    ).hexdigest()


class SentenceEncoder:
    """Texts to vectors. Text beyond 512 tokens does not count.

    Args:
        name, setting: as for `encoder_fingerprint`.

    Raises:
        ConfigError: it is no folder with a model that can be loaded.
        MissingExtra: torch or transformers is not installed.
    """

    def __init__(self, name: str, setting: str) -> None:
        folder = _folder(name, setting)
        self._first_token = _takes_first_token(folder, setting)
        self._tokenizer, self._model = _loaded(folder, setting)
        self._longest = min(MAX_TOKENS, int(getattr(self._model.config, "max_position_embeddings", MAX_TOKENS)))

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """One vector a text, of whatever length; zeros for a blank one. Shape `(texts, hidden size)`, float32."""
        by_length = sorted(range(len(texts)), key=lambda row: (len(texts[row]), row))
        vectors = np.zeros((len(texts), self._model.config.hidden_size), np.float32)
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            rows = [row for row in by_length[start : start + TEXTS_AT_ONCE] if texts[row].strip()]
            if rows:
                vectors[rows] = self._vectors([texts[row] for row in rows])
        return vectors

    def _vectors(self, texts: list[str]) -> np.ndarray:
        """Shape `(texts, hidden size)`."""
        import torch

        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=self._longest, return_tensors="pt")
        with torch.inference_mode():
            hidden = self._model(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
            ).last_hidden_state
            if self._first_token:
                return hidden[:, 0].float().numpy()
            mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            return ((hidden * mask).sum(1) / mask.sum(1)).float().numpy()


def _folder(name: str, setting: str) -> Path:
    folder = Path(name).expanduser()
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise ConfigError([f"{setting} names {name}, which is no folder with a model"], HOW)
    return folder


def _takes_first_token(folder: Path, setting: str) -> bool:
    """Whether the vector of a text is that of its first token; otherwise it is the mean of all."""
    try:
        modules = (
            json.loads((folder / "modules.json").read_text(encoding="utf-8"))
            if (folder / "modules.json").is_file()
            else []
        )
        pooling = (
            json.loads((folder / POOLING).read_text(encoding="utf-8"))
            if (folder / POOLING).is_file()
            else {"pooling_mode_mean_tokens": True}
        )
    except ValueError:
        raise ConfigError([f"{setting}: modules.json or {POOLING} in {folder} is not JSON"], HOW) from None
    unknown = sorted({str(module.get("type", "")).rsplit(".", 1)[-1] for module in modules} - set(KNOWN_MODULES))
    modes = {name for name, chosen in pooling.items() if name.startswith("pooling_mode_") and chosen is True}
    first_token = modes == {"pooling_mode_cls_token"}
    if unknown or not (first_token or modes == {"pooling_mode_mean_tokens"}):
        wanted = f"layers {unknown}" if unknown else f"pooling {sorted(modes)}"
        raise ConfigError(
            [f"{setting} {folder} wants {wanted}"],
            "Name a model with pooling by mean or first token and no layer after it",
        )
    return first_token


def _loaded(folder: Path, setting: str) -> tuple[Any, Any]:
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtra(f"{setting} ({error.name})", "train") from error
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        options = {
            "use_safetensors": True,
            "trust_remote_code": False,
            "local_files_only": True,
            "dtype": torch.float32,
            "attn_implementation": "eager",
        }
        return tokenizer, AutoModel.from_pretrained(folder, **options).eval()
    except MemoryError:
        raise
    except Exception as error:  # parsers of foreign files raise what they like
        raise ConfigError([f"{setting}: transformers cannot load {folder}: {type(error).__name__}"], HOW) from error
