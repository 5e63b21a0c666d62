"""All that is looked at before transformers opens the folder of a base model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ft_platform.errors import BaseModelError
from ft_platform.models.guards.chat_templates import chat_templates, require_safe_templates
from ft_platform.models.guards.config_keys import LOOPS, checked_config, require_no_code
from ft_platform.models.guards.plain_files import require_intact_blobs, require_own_shards, require_plain_files
from ft_platform.models.guards.plain_json import read_object, refused
from ft_platform.models.guards.probe import require_bounded
from ft_platform.models.guards.tensor_files import TensorInfo, read_header
from ft_platform.models.guards.tokenizer_files import require_safe_tokenizer

MOST_BUFFER_ELEMENTS = 1 << 28
MOST_CONFIG_BYTES = 4 << 20
EMBEDDINGS = ("embed_tokens", "wte", "embed_in", "word_embeddings", "embeddings", "tok_embeddings")
"""Module names of token embeddings in the architectures of transformers."""


@dataclass(frozen=True)
class SafeFolder:
    """What was found in a folder that may be opened.

    Attributes:
        config: what of `config.json` is handed to transformers.
        dropped: keys of `config.json` that are not.
        elements: numbers in all tensors of its safetensors files.
    """

    config: dict[str, Any]
    dropped: list[str]
    elements: int


def require_safe_folder(folder: Path, uri: str) -> SafeFolder:
    """What may be loaded from a folder.

    Args:
        uri: `base_model.uri`, for the message.

    Raises:
        BaseModelError: naming the file and the reason.
    """
    try:
        require_plain_files(folder)
        require_intact_blobs(folder)
        require_own_shards(folder)
        if not (folder / "config.json").exists():
            refused("config.json", "it is missing", "Download the model again")
        config, dropped = checked_config(read_object(folder / "config.json", MOST_CONFIG_BYTES))
        if (folder / "generation_config.json").exists():
            require_no_code(read_object(folder / "generation_config.json", MOST_CONFIG_BYTES), "generation_config.json")
        tensors = _tensors(folder)
        _require_loops_within(config, len(tensors))
        require_safe_tokenizer(folder, _embedding_rows(config, tensors))
        require_safe_templates(chat_templates(folder))
        require_bounded(folder)
    except BaseModelError as error:
        raise BaseModelError(f"base model {uri}: {error.message}", error.next_step) from error
    return SafeFolder(config, dropped, sum(info.elements for info in tensors.values()))


def _tensors(folder: Path) -> dict[str, TensorInfo]:
    found: dict[str, TensorInfo] = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, info in read_header(path).items():
            if name in found:
                refused(path.name, f"tensor {name[:60]!r} is in another file of the folder too")
            found[name] = info
    return found


def _require_loops_within(config: dict[str, Any], tensors: int, place: str = "") -> None:
    """Layers are built one by one: 10^9 of them would take for ever, before any size is compared."""
    for key, value in config.items():
        if isinstance(value, dict):
            _require_loops_within(value, tensors, f"{place}{key}.")
        elif LOOPS.search(key) and "expert" not in key and isinstance(value, int) and value > tensors:
            refused("config.json", f"{place}{key} is {value:,}, but the weights have {tensors:,} tensors")


def _embedding_rows(config: dict[str, Any], tensors: dict[str, TensorInfo]) -> int:
    """Tokens that there is an embedding for: the longest of the tensors that are called so, or what the configuration
    says."""
    rows = [
        info.shape[0]
        for name, info in tensors.items()
        if len(info.shape) == 2 and name.split(".")[-2:-1] and name.split(".")[-2] in EMBEDDINGS
    ]
    nested = (config.get(name) for name in ("text_config", "llm_config"))
    said = [
        one["vocab_size"]
        for one in [config, *nested]
        if isinstance(one, dict) and isinstance(one.get("vocab_size"), int)
    ]
    if rows:
        return max(rows)
    if not said:
        refused("config.json", "vocab_size is missing")
    return max(said)


def require_fitting_sizes(config: Any, elements: int, uri: str) -> None:
    """Builds the architecture without memory and compares its size with what the files hold.

    A weight that a file does not have would be allocated and filled at random, whatever size the configuration names.

    Args:
        config: configuration object of transformers.
        elements: `SafeFolder.elements`.

    Raises:
        BaseModelError: the configuration describes more weights than there are, or enormous buffers.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    described = sum(parameter.numel() for parameter in model.parameters())
    if described > elements:
        raise BaseModelError(
            f"base model {uri}: config.json is refused: it describes {described:,} weights, but the files hold"
            f" {elements:,}",
            "Download the model again",
        )
    buffers = sum(buffer.numel() for buffer in model.buffers())
    if buffers > max(elements, MOST_BUFFER_ELEMENTS):
        raise BaseModelError(
            f"base model {uri}: config.json is refused: it describes buffers of {buffers:,} elements",
            "Check max_position_embeddings",
        )
