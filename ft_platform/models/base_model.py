"""Finds a base model, checks its hash, and loads it as safetensors. No code of a model repository is ever run.

Covered: pickled weights, `trust_remote_code`, `auto_map` and attention kernels named in a configuration are refused.
Not covered: bugs in the parsers of safetensors, tokenizers and gguf.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ft_platform.errors import BaseModelError, MissingExtra
from ft_platform.lake.files import sha256_file
from ft_platform.models import model_sources
from ft_platform.models.gguf import converted_folder
from ft_platform.use_case import BaseModelSettings

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


@dataclass(frozen=True)
class ResolvedModel:
    """A base model on this machine.

    Attributes:
        folder: transformers folder with safetensors weights and a tokenizer.
        weights_sha256: hash of the weights as they were delivered (the GGUF file, or the safetensors files).
        uri: where it came from, as in the settings.
    """

    folder: Path
    weights_sha256: str
    uri: str


def resolve(settings: BaseModelSettings, cache: Path) -> ResolvedModel:
    """Brings the base model onto this machine, once, and verifies it.

    Args:
        settings: `base_model` of the use case.
        cache: folder for downloads and conversions.

    Raises:
        BaseModelError: it does not exist, has another hash than `base_model.sha256`, or is not safe to load.
    """
    found = model_sources.find(settings, cache)
    digest = weights_sha256(found)
    if settings.sha256 and digest != settings.sha256:
        raise BaseModelError(
            f"base_model.sha256 expects {settings.sha256}, but the weights of {settings.uri} have {digest}",
            "Correct base_model.sha256, or find out who changed the weights",
        )
    folder = converted_folder(found, digest, cache) if found.is_file() else found
    refuse_code(folder, settings.uri)
    return ResolvedModel(folder, digest, settings.uri)


def weights_sha256(path: Path) -> str:
    """Hash of a weights file, or of all safetensors files of a folder.

    Raises:
        BaseModelError: the folder holds no safetensors weights.
    """
    if path.is_file():
        return sha256_file(path)
    files = sorted(path.glob("*.safetensors"))
    if not files:
        pickled = sorted(p.name for p in path.iterdir() if p.suffix in PICKLED)
        found = f"only pickled weights ({', '.join(pickled)}), which can run code when loaded" if pickled else "no weights"
        raise BaseModelError(f"base_model.uri {path} must hold *.safetensors, got {found}", "Convert the model to safetensors, or name another base_model.uri")
    if len(files) == 1:
        return sha256_file(files[0])
    return hashlib.sha256("\n".join(f"{p.name} {sha256_file(p)}" for p in files).encode()).hexdigest()


def refuse_code(folder: Path, uri: str) -> None:
    """Raises BaseModelError if a configuration names code to run: `auto_map`, or an attention kernel from a repository."""
    for path in sorted(folder.glob("*config.json")):
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise BaseModelError(f"{path.name} of base model {uri} is not JSON", "Download the model again") from None
        problems = _code_in(config)
        if problems:
            raise BaseModelError(
                f"{path.name} of base model {uri} names code to run: {', '.join(problems)}",
                "Use a model that transformers supports by itself; remote code is never run",
            )


def _code_in(value: Any, place: str = "") -> list[str]:
    if isinstance(value, list):
        return [problem for item in value for problem in _code_in(item, place)]
    if not isinstance(value, dict):
        return []
    problems = []
    for key, item in value.items():
        names_code = key in ("auto_map", "custom_generate") and bool(item)
        names_kernel = key.endswith(("attn_implementation", "attn_implementation_internal", "experts_implementation")) and "/" in str(item)
        if names_code or names_kernel:
            problems.append(f"{place}{key}")
        else:
            problems += _code_in(item, f"{place}{key}.")
    return problems


def weights_dtype(choice: str) -> Any:
    """The torch dtype of the frozen weights; `auto` is bfloat16 where the processor or the GPU computes in it."""
    import torch

    if choice != "auto":
        return getattr(torch, choice)
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    capable = torch.cpu.get_capabilities()
    return torch.bfloat16 if capable.get("avx512_bf16") or capable.get("amx_bf16") else torch.float32


def load(resolved: ResolvedModel, dtype: str = "auto") -> tuple[Any, Any]:
    """The model in evaluation mode, on the GPU if there is one, and its tokenizer.

    Args:
        resolved: result of `resolve`.
        dtype: `base_model.dtype` of the use case.

    Raises:
        MissingExtra: torch or transformers is not installed.
        BaseModelError: transformers cannot load it.
    """
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise MissingExtra(error.name or "torch", "train") from error
    quiet_transformers()
    options = {"dtype": weights_dtype(dtype), "use_safetensors": True, "trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(resolved.folder, trust_remote_code=False, local_files_only=True)
        try:
            model: Any = AutoModelForCausalLM.from_pretrained(resolved.folder, attn_implementation="sdpa", **options)
        except ValueError as error:
            if "scaled_dot_product_attention" not in str(error):
                raise
            model = AutoModelForCausalLM.from_pretrained(resolved.folder, attn_implementation="eager", **options)
    except MemoryError:
        raise
    except Exception as error:  # parsers of foreign files raise what they like (SafetensorError, struct.error, TypeError)
        raise BaseModelError(f"transformers cannot load base model {resolved.uri}: {type(error).__name__}: {error}", "Check base_model.uri") from error
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer


def quiet_transformers() -> None:
    """No progress bars and no advice of transformers in logs."""
    import warnings

    import transformers

    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.|peft\.")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
