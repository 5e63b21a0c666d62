"""Turns a GGUF file into a transformers folder with safetensors, once."""

from pathlib import Path
from typing import Any

from ft_platform.errors import BaseModelError, MissingExtra
from ft_platform.models.cached_folder import compared_folder
from ft_platform.models.guards.gguf_header import require_safe_gguf
from ft_platform.process import progress

CONVERSION = 1
"""Raise when the converted folder would differ."""


def converted_folder(gguf: Path, sha256: str, cache: Path, noted: Path | None = None) -> tuple[Path, str]:
    """The converted model, from the cache if it was converted before, and the hash of what was converted.

    Args:
        gguf: file with weights and tokenizer.
        sha256: its hash, the key in the cache.
        noted: file with hashes of what was converted (`compared_folder`).

    Raises:
        BaseModelError: the file is not safe to read, or transformers does not read it.
        CorruptVersion: the converted model was changed.
    """

    def convert(folder: Path) -> None:
        progress.report("base_model", 0, 1, "models")
        _convert(gguf, folder)
        progress.report("base_model", 1, 1, "models")

    converted = cache / "converted" / f"{sha256[:24]}-{CONVERSION}"
    if not converted.is_dir():  # a file of another content has another hash
        require_safe_gguf(gguf)
    return compared_folder(converted, convert, noted)


def _convert(gguf: Path, folder: Path) -> None:
    from ft_platform.models.quiet import quiet_transformers

    try:
        quiet_transformers()
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    except ImportError as error:
        raise MissingExtra(error.name or "torch", "train") from error
    try:
        source = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32, local_files_only=True
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, local_files_only=True)
    except ImportError as error:
        raise MissingExtra("gguf", "train") from error
    except MemoryError:
        raise
    except Exception as error:  # the parser of a broken file raises what it likes (struct.error, IndexError, KeyError)
        raise BaseModelError(
            f"transformers cannot read {gguf.name}: {type(error).__name__}: {error}", "Name another base_model.uri"
        ) from error
    # A model loaded from GGUF carries a quantization_config and refuses to be saved; a fresh one with its weights does
    # not.
    config: Any = source.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    model.load_state_dict(source.state_dict())
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
