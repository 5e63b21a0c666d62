"""The folder of a LoRA adapter, looked at before peft opens it: plain settings, and weights that fit the base model."""

import re
from pathlib import Path
from typing import Any

from ft_platform.models.guards.plain_files import PICKLES
from ft_platform.models.guards.plain_json import read_object, refused
from ft_platform.models.guards.regexes import why_explosive
from ft_platform.models.guards.tensor_files import TensorInfo, read_header

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", *PICKLES)
HEADS = ("score", "classifier")
"""Modules beside the adapters that may be saved with them: heads of sequence classification."""

PLAIN = frozenset(
    [
        "r",
        "lora_alpha",
        "lora_dropout",
        "bias",
        "fan_in_fan_out",
        "use_rslora",
        "use_dora",
        "init_lora_weights",
        "layers_to_transform",
        "inference_mode",
        "peft_type",
        "task_type",
        "peft_version",
        "target_modules",
        "exclude_modules",
        "modules_to_save",
        "base_model_name_or_path",
        "revision",
        "rank_pattern",
        "alpha_pattern",
        "lora_bias",
        "ensure_weight_tying",
    ]
)
"""Settings of peft's LoraConfig that are handed on; any other must be null, false or what peft writes for a plain
adapter."""

FLAGS = ("fan_in_fan_out", "use_rslora", "use_dora", "inference_mode", "lora_bias", "ensure_weight_tying")
BIASES = ("none", "all", "lora_only")

PLACE_OF_THE_BASE = ("base_model_name_or_path", "revision")
"""Written for people. The base model is always the one of the use case; these are never followed."""

MOST_RANK = 4096
FLOATS = ("F32", "F16", "BF16")
PREFIX = "base_model.model."
PART = re.compile(
    r"^(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector)(\.weight|\.bias)?$"
)
NAME = re.compile(r"^[\w.\-]{1,300}$")


def require_safe_adapter(folder: Path) -> dict[str, TensorInfo]:
    """The tensors of an adapter whose files may be opened.

    Raises:
        BaseModelError: naming the file and the reason.
    """
    for path in sorted(folder.iterdir()):
        if path.is_symlink() and folder.resolve() not in path.resolve().parents:
            refused(path.name, "it is a link that leaves the checkpoint")
        if path.suffix in PICKLED:
            refused(path.name, "a pickle can run code when it is loaded", "Materialize adapter_checkpoint again")
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            refused(name, "it is missing", "Materialize adapter_checkpoint again")
    config = read_object(folder / CONFIG, 4 << 20)
    _require_plain_settings(config)
    tensors = read_header(folder / WEIGHTS)
    _require_ranks(config, tensors)
    return tensors


def _require_plain_settings(config: dict[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        refused(CONFIG, f"peft_type {str(config.get('peft_type'))[:40]!r}, expected LORA")
    for key, value in config.items():
        if key in PLACE_OF_THE_BASE:
            continue
        if key not in PLAIN and value is not None and value is not False and not _is_default(key, value):
            refused(
                CONFIG,
                f"{key[:60]} is set, which is not among the settings of a plain LoRA adapter",
                "Save the adapter as plain LoRA",
            )
    _require_number(config, "r", MOST_RANK, least=1)
    _require_number(config, "lora_alpha", 1 << 20)
    _require_number(config, "lora_dropout", 1)
    if config.get("bias", "none") not in BIASES:
        refused(CONFIG, f"bias must be one of {', '.join(BIASES)}")
    for key in FLAGS:
        if not isinstance(config.get(key, False), bool):
            refused(CONFIG, f"{key} must be true or false")
    for key in ("task_type", "peft_version"):
        if not isinstance(config.get(key), (str, type(None))):
            refused(CONFIG, f"{key} must be a text")
    layers = config.get("layers_to_transform")
    if not isinstance(layers, (list, int, type(None))) or any(
        type(layer) is not int for layer in (layers if isinstance(layers, list) else [])
    ):
        refused(CONFIG, "layers_to_transform must be numbers of layers")
    for key in ("target_modules", "exclude_modules"):
        _require_module_names(config.get(key), key)
    for key in ("rank_pattern", "alpha_pattern"):
        if not isinstance(config.get(key, {}), dict):
            refused(CONFIG, f"{key} must be a mapping of modules to numbers")
        for pattern, number in config.get(key, {}).items():
            _require_module_names(pattern, key)
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number <= MOST_RANK:
                refused(CONFIG, f"{key} must map modules to numbers up to {MOST_RANK}")
    saved = config.get("modules_to_save")
    if not isinstance(saved, (list, type(None))):
        refused(CONFIG, "modules_to_save must be a list of names")
    if strange := [name for name in saved or [] if name not in HEADS]:
        refused(
            CONFIG,
            "modules_to_save replaces whole modules of the base model:"
            f" {', '.join(str(name)[:40] for name in strange)}",
        )
    if not isinstance(config.get("init_lora_weights", True), bool):
        refused(CONFIG, "init_lora_weights names a way to compute new weights; trained ones are expected")


def _is_default(key: str, value: Any) -> bool:
    """What peft itself writes for a plain adapter beside the settings above."""
    defaults = {
        "megatron_core": "megatron.core",
        "qalora_group_size": 16,
        "runtime_config": {"ephemeral_gpu_offload": False},
        "loftq_config": {},
    }
    return defaults.get(key) == value


def _require_number(config: dict[str, Any], key: str, most: float, least: float = 0) -> None:
    value = config.get(key, least)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        refused(CONFIG, f"{key} must be a number in [{least}, {most}]")


def _require_module_names(value: Any, key: str) -> None:
    """Names as in the model, or one regular expression that cannot take without end: peft matches it against every
    module."""
    if isinstance(value, list):
        if not all(isinstance(name, str) and NAME.match(name) for name in value):
            refused(CONFIG, f"{key} must be names of modules")
    elif isinstance(value, str):
        nested = re.search(r"\[[^\]]*\[", value)
        if why := "it has a class within a class" if nested else why_explosive(value):
            refused(CONFIG, f"the pattern of {key} can take without end: {why}", "Name the modules in a list")
        try:
            re.compile(value)
        except (re.error, RecursionError, OverflowError):
            refused(CONFIG, f"the pattern of {key} is no regular expression")
    elif value is not None:
        refused(CONFIG, f"{key} must be names of modules or a pattern")


def _require_ranks(config: dict[str, Any], tensors: dict[str, TensorInfo]) -> None:
    """Every tensor is a part of an adapter or a head; A and B of a module have the rank of the settings."""
    ranks = {config["r"], *(config.get("rank_pattern") or {}).values()}
    found: dict[str, dict[str, TensorInfo]] = {}
    for name, info in tensors.items():
        match = PART.match(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
        is_head = (
            name.startswith(PREFIX)
            and name.removeprefix(PREFIX).split(".")[0] in HEADS
            and bool(config.get("modules_to_save"))
        )
        if not match and not is_head:
            refused(WEIGHTS, f"the tensor {name[:80]!r} belongs to no adapter")
        if info.dtype not in FLOATS:
            refused(WEIGHTS, f"the tensor {name[:80]!r} has type {info.dtype}, expected one of {', '.join(FLOATS)}")
        if match and not name.endswith(".bias"):
            found.setdefault(match["module"], {})[match["part"]] = info
    if not found:
        refused(WEIGHTS, "it holds no adapter")
    for module, parts in found.items():
        a, b = (
            parts.get("lora_A") or parts.get("lora_embedding_A"),
            parts.get("lora_B") or parts.get("lora_embedding_B"),
        )
        if a is None or b is None or len(a.shape) != 2 or len(b.shape) != 2:
            refused(WEIGHTS, f"module {module[:80]!r} must have the two matrices of an adapter")
        elif a.shape[0] != b.shape[1] or a.shape[0] not in ranks:
            refused(
                WEIGHTS,
                f"module {module[:80]!r} has rank {a.shape[0]} and {b.shape[1]}, {CONFIG} says r = {config['r']}",
            )


def require_fitting_adapter(model: Any, tensors: dict[str, TensorInfo]) -> None:
    """Raises BaseModelError if an adapter is for a module that the base model does not have, or that has another shape.

    Args:
        model: base model, with `named_modules`.
    """
    modules = dict(model.named_modules())
    for name, info in tensors.items():
        match = PART.match(name.removeprefix(PREFIX))
        if not match or "embedding" in match["part"] or "magnitude" in match["part"] or name.endswith(".bias"):
            continue
        module = modules.get(match["module"])
        rows, columns = getattr(module, "out_features", None), getattr(module, "in_features", None)
        if rows is None or columns is None:  # layers of GPT-2 keep their weight the other way round
            weight = getattr(module, "weight", None)
            if weight is None or weight.dim() != 2:
                refused(
                    WEIGHTS,
                    f"the base model has no linear module {match['module'][:80]!r}",
                    "Use the base model it was trained on",
                )
            columns, rows = weight.shape
        found, expected = (info.shape[1], columns) if match["part"] == "lora_A" else (info.shape[0], rows)
        if found != expected:
            refused(
                WEIGHTS,
                f"the tensor {name[:80]!r} has {found:,} where the base model has {expected:,}",
                "Use the base model it was trained on",
            )


def require_finite_weights(path: Path) -> None:
    """Raises BaseModelError if a weight is NaN or infinite: every answer of the model would be."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118
            if not bool(file.get_tensor(name).isfinite().all()):
                refused(
                    path.name, f"the tensor {name[:80]!r} holds NaN or infinity", "Materialize adapter_checkpoint again"
                )
