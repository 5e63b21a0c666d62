"""Finds a base model, checks its hash, and loads it as safetensors. No code of a model repository is ever run.

Covered and not covered: `ft_platform/models/guards/__init__.py`.
"""

import importlib.util
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from ft_platform.errors import BaseModelError, MissingExtra
from ft_platform.lake.files import sha256_file
from ft_platform.models import characters, model_sources
from ft_platform.models.folder_hash import folder_sha256, weights_of
from ft_platform.models.gguf import converted_folder
from ft_platform.models.guards.model_folder import SafeFolder, require_fitting_sizes, require_safe_folder
from ft_platform.models.quiet import quiet_transformers
from ft_platform.use_case.settings.base_model import WORDS_ONLY, BaseModelSettings
from ft_platform.use_case.settings.environment import Environment

LOG = logging.getLogger(__name__)
Unpinned = Literal["warn", "refuse"]
COMMIT = re.compile(r"^[0-9a-f]{40}$")
CONVERTED = "converted.json"
"""In the folder of seals: name of a converted folder -> its hash."""
OF_KERAS = ("model.weights.h5", "model.weights.json")
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


@dataclass(frozen=True)
class ResolvedModel:
    """A base model on this machine.

    Attributes:
        folder: transformers folder with safetensors weights and a tokenizer.
        weights_sha256: hash of the weights as they were delivered (the GGUF file, or the safetensors files).
        uri: where it came from, as in the settings.
        folder_sha256: hash of all that is loaded from the folder: weights, configuration, tokenizer, templates.
        is_converted: whether the folder was made here, from the weights as they were delivered.
        commit: commit of a hub model, whatever name its revision was asked by.
        safe: what of the folder may be loaded, where it was looked at already.
    """

    folder: Path
    weights_sha256: str
    uri: str
    folder_sha256: str = ""
    is_converted: bool = False
    commit: str = ""
    safe: SafeFolder | None = None

    def other_than(self, training: Mapping[str, Any]) -> str:
        """What is different from the base model that a checkpoint was trained on; empty: nothing.

        Args:
            training: its `training.json`, or the record of its release; earlier versions noted no `folder_sha256`.
        """
        told = training["base_model"]
        if told["sha256"] != self.weights_sha256:
            return f"base model {told['sha256'][:12]}, and this one is {self.weights_sha256[:12]}"
        if told.get("folder_sha256") in (None, self.folder_sha256) or self._by_another_version(training):
            return ""
        return (
            "other files of the base model (weights as they are loaded, configuration, tokenizer or chat template): put"
            " them back, or give the changed model a folder of its own"
        )

    def _by_another_version(self, training: Mapping[str, Any]) -> bool:
        """Whether it was converted by another version, which may write the same model differently. What is in the
        cache was compared with what was made from the weights as they were delivered."""
        return self.is_converted and training["environment"]["transformers"] != version("transformers")


def resolve_here(settings: BaseModelSettings, environment: Environment) -> ResolvedModel:
    """As `resolve`, with the cache and the rules of an installation; what was converted is compared with what was noted
    beside its seals."""
    noted = environment.seals_path / CONVERTED
    return resolve(settings, environment.cache_path, environment.unpinned_base_models, noted)


def resolve(
    settings: BaseModelSettings, cache: Path, unpinned: Unpinned = "warn", noted: Path | None = None
) -> ResolvedModel:
    """Brings the base model onto this machine, once, and verifies it.

    Args:
        settings: `base_model` of the use case.
        cache: folder for downloads and conversions.
        unpinned: what to do with a hub model whose revision is no commit (`unpinned_base_models` of the environment).
        noted: file with hashes of what was converted; None: a model in the cache is not compared with it.

    Raises:
        BaseModelError: it does not exist, is not pinned, has another hash than `base_model.sha256`, or is not safe to
            load.
        CorruptVersion: it was changed since it was converted.
    """
    if settings.uri == WORDS_ONLY.uri:
        return ResolvedModel(Path(), characters.SHA256, WORDS_ONLY.uri, characters.SHA256)
    _require_pinned(settings, unpinned)
    found = model_sources.find(settings, cache)
    digest = weights_sha256(found)
    if settings.sha256 and digest != settings.sha256:
        raise BaseModelError(
            f"base_model.sha256 expects {settings.sha256}, but the weights of {settings.uri} have {digest}",
            "Correct base_model.sha256, or find out who changed the weights",
        )
    if found.is_file():
        folder, loaded = converted_folder(found, digest, cache, noted)
    else:
        folder, loaded = found, folder_sha256(found, digest)
    safe = require_safe_folder(folder, settings.uri)
    commit = found.name if model_sources.is_hub(settings.uri) and COMMIT.match(found.name) else ""
    return ResolvedModel(folder, digest, settings.uri, loaded, folder != found, commit, safe)


def _require_pinned(settings: BaseModelSettings, unpinned: Unpinned) -> None:
    """A branch or tag of a hub model can be moved by its owner: the same settings would then train on other weights."""
    if not model_sources.is_hub(settings.uri) or COMMIT.match(settings.revision or ""):
        return
    named = f"revision {settings.revision}" if settings.revision else "no revision"
    problem = f"base_model {settings.uri} is not pinned: {named} is not a commit, and its owner can move what it means"
    next_step = "Set base_model.revision to the 40 hex digits of a commit"
    if unpinned == "refuse":
        raise BaseModelError(problem, next_step)
    LOG.warning(f"{problem}. {next_step}")


def weights_sha256(path: Path) -> str:
    """Hash of a weights file, or of all safetensors files of a folder.

    Raises:
        BaseModelError: the folder holds no safetensors weights.
    """
    if path.is_file():
        return sha256_file(path)
    if not any(path.glob("*.safetensors")):
        if any((path / name).is_file() for name in OF_KERAS):
            raise BaseModelError(
                f"base_model.uri {path} is a Keras preset, which is not read any more",
                "Write it for transformers with export_to_transformers of KerasHub, and name that folder",
            )
        pickled = sorted(p.name for p in path.iterdir() if p.suffix in PICKLED)
        found = (
            f"only pickled weights ({', '.join(pickled)}), which can run code when loaded" if pickled else "no weights"
        )
        raise BaseModelError(
            f"base_model.uri {path} must hold *.safetensors, got {found}",
            "Convert the model to safetensors, or name another base_model.uri",
        )
    return weights_of(path)


def weights_dtype(choice: str) -> Any:
    """The torch dtype of the frozen weights; `auto` is bfloat16 where the processor or the GPU computes in it."""
    import torch

    if choice != "auto":
        return getattr(torch, choice)
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    capable = torch.cpu.get_capabilities()
    return torch.bfloat16 if capable.get("avx512_bf16") or capable.get("amx_bf16") else torch.float32


def load(
    resolved: ResolvedModel, dtype: str = "auto", quantization: str = "none", by_parts: bool = False
) -> tuple[Any, Any]:
    """The model in evaluation mode, on the GPU if there is one, and its tokenizer; of `models.characters` no model.

    Args:
        resolved: result of `resolve`.
        dtype, quantization: of `base_model` of the use case.
        by_parts: leave the weights in their files, for several processes that each read a part; where this is not
            possible, they are read and the reason is logged.

    Raises:
        MissingExtra: torch, transformers, or bitsandbytes for 4-bit weights, is not installed.
        BaseModelError: transformers cannot load it.
    """
    if resolved.uri == WORDS_ONLY.uri:
        return None, characters.Characters()
    os.environ["USE_HUB_KERNELS"] = (
        "NO"  # read when transformers is imported: Mamba and others would fetch compiled code from the hub
    )
    # At import bitsandbytes asks the package `kernels`, where there is one, for compiled code from the hub; peft
    # imports it unasked.
    sys.modules["kernels"] = None  # type: ignore[assignment]
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    try:
        import torch
        from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise MissingExtra(error.name or "torch", "train") from error
    quiet_transformers()
    safe = resolved.safe or require_safe_folder(resolved.folder, resolved.uri)
    if safe.dropped:
        LOG.info(
            f"config.json of {resolved.uri}: not handed to transformers, which has no such fields:"
            f" {', '.join(safe.dropped)}"
        )
    options = {
        "dtype": weights_dtype(dtype),
        "use_safetensors": True,
        "trust_remote_code": False,
        "local_files_only": True,
    }
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if quantization == "nf4":
        options |= {"quantization_config": _four_bits(options["dtype"]), "device_map": {"": device}}
    try:
        config = CONFIG_MAPPING[safe.config["model_type"]].from_dict(safe.config)
        require_fitting_sizes(config, safe.elements, resolved.uri)
        options["config"] = config
        tokenizer = AutoTokenizer.from_pretrained(resolved.folder, trust_remote_code=False, local_files_only=True)
        if by_parts and (model := _unread(resolved, config, options["dtype"])):
            return model, tokenizer
        model: Any = _with_sdpa(
            lambda attention: AutoModelForCausalLM.from_pretrained(
                resolved.folder, attn_implementation=attention, **options
            )
        )
    except (MemoryError, BaseModelError):
        raise
    except (
        Exception
    ) as error:  # parsers of foreign files raise what they like (SafetensorError, struct.error, TypeError)
        raise BaseModelError(
            f"transformers cannot load base model {resolved.uri}: {type(error).__name__}: {error}",
            "Check base_model.uri",
        ) from error
    _copy_before_the_head(model)
    if quantization == "nf4":
        return _with_one_kernel(model).eval(), tokenizer
    return model.to(device).eval(), tokenizer


def _with_sdpa(build: Callable[[str], Any]) -> Any:
    """What `build` gives for torch's own attention, or for the plain one where an architecture has only that."""
    try:
        return build("sdpa")
    except ValueError as error:
        if "scaled_dot_product_attention" not in str(error):
            raise
        return build("eager")


def _unread(resolved: ResolvedModel, config: Any, dtype: Any) -> Any | None:
    """The model without the numbers of its weights, or None where they cannot be read by parts."""
    from transformers import GenerationConfig

    from ft_platform.models import unread_weights

    model = _with_sdpa(lambda attention: unread_weights.unread(config, dtype, attention))
    if reason := unread_weights.obstacle(model, resolved.folder):
        LOG.warning(f"{resolved.uri} is read whole by each process before it is divided: {reason}")
        return None
    if (resolved.folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(resolved.folder)
    _copy_before_the_head(model)
    return model.eval()


def _copy_before_the_head(model: Any) -> None:
    head = model.get_output_embeddings()
    if head is not None:
        head.register_forward_pre_hook(_side_by_side)


def _side_by_side(head: Any, hidden: tuple[Any, ...]) -> tuple[Any, ...]:
    """Hidden states copied next to each other before the output layer: of the last tokens of a batch, which are far
    apart, torch makes a product for each row, with a copy of all weights for each, where they are frozen
    (SmolLM2-135M, 161 rows: 9 GB and 30 s instead of nothing and 0.2 s)."""
    return tuple(one.contiguous() for one in hidden)


def _with_one_kernel(model: Any) -> Any:
    """On a CPU bitsandbytes packs 4-bit weights anew the first time a model is evaluated, for another kernel than in
    training: kept from it."""
    from bitsandbytes.nn.modules import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
    return model


def _four_bits(dtype: Any) -> Any:
    """4-bit NormalFloat weights with quantized constants, as QLoRA trains on (arXiv:2305.14314)."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtra("bitsandbytes, which keeps weights in 4 bits,", "gpu")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
