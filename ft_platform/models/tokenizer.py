"""The tokenizer of a base model without its weights."""

from dataclasses import dataclass
from typing import Any

from ft_platform.errors import BaseModelError, MissingExtra
from ft_platform.models import characters
from ft_platform.models.base_model import ResolvedModel
from ft_platform.models.guards.model_folder import require_safe_folder
from ft_platform.models.quiet import quiet_transformers
from ft_platform.use_case.settings.base_model import WORDS_ONLY


@dataclass(frozen=True)
class ModelTokenizer:
    """A tokenizer, and the most tokens its model takes (None where the configuration names no limit)."""

    tokenizer: Any
    context_length: int | None


def load_tokenizer(resolved: ResolvedModel) -> ModelTokenizer:
    """The tokenizer as `base_model.load` has it.

    Args:
        resolved: result of `base_model.resolve`.

    Raises:
        MissingExtra: transformers is not installed.
        BaseModelError: transformers cannot load it.
    """
    if resolved.uri == WORDS_ONLY.uri:
        return ModelTokenizer(characters.Characters(), None)
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingExtra(error.name or "transformers", "train") from error
    quiet_transformers()
    safe = resolved.safe or require_safe_folder(resolved.folder, resolved.uri)
    try:
        tokenizer = AutoTokenizer.from_pretrained(resolved.folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # parsers of foreign files raise what they like
        raise BaseModelError(
            f"transformers cannot load the tokenizer of {resolved.uri}: {type(error).__name__}: {error}",
            "Check base_model.uri",
        ) from error
    return ModelTokenizer(tokenizer, context_length(safe.config))


def context_length(config: dict[str, Any]) -> int | None:
    """`max_position_embeddings`, or what older architectures call it."""
    text = config.get("text_config") or config
    found = next(
        (
            text[name]
            for name in ("max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_seq_len")
            if text.get(name)
        ),
        None,
    )
    return int(found) if found else None
