"""Which keys and values of `config.json` and `generation_config.json` are handed to transformers.

How the allow-list works for every architecture: `model_type` must be one of transformers' own causal language models;
keys are those of its configuration class (and of the classes nested in it), the generic ones below, and what is plainly
harmless: an unknown number is kept (transformers reads old names such as `rope_theta` that way), an unknown text, list
or mapping of plain values is dropped. What names code, a kernel, a file, an address or another repository is refused,
known or not.
"""

import dataclasses
import re
from typing import Any

from ft_platform.models.guards.plain_json import refused

GENERIC = frozenset(
    [
        "model_type",
        "architectures",
        "transformers_version",
        "dtype",
        "torch_dtype",
        "id2label",
        "label2id",
        "problem_type",
        "rope_theta",
        "rope_scaling",
        "rope_parameters",
        "tie_word_embeddings",
        "use_cache",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "sep_token_id",
        "unk_token_id",
        "vocab_size",
        "is_decoder",
        "is_encoder_decoder",
        "max_position_embeddings",
        "hidden_act",
        "hidden_activation",
        "layer_types",
    ]
)
"""Kept for every architecture, beside the fields of its own class."""

OF_THE_SAVER = re.compile(
    r"^(_?_?name_or_path|_model_name_or_path|_commit_hash|base_model_name_or_path|transformers\.js_config|task_specific_params)$"
)
"""Where the model was saved from, and settings of other libraries: dropped whatever they say, transformers does not
need them."""

FREE_TEXT = frozenset(["id2label", "label2id", "architectures", "stop_strings"])
NAMES_CODE = re.compile(
    r"auto_map|auto_mapping|remote_code|custom_(generate|object|pipeline|module)|kernel|quantization_config|compression_config|backbone",
    re.IGNORECASE,
)
NAMES_A_PLACE = re.compile(
    r"(^|_)(file|files|path|paths|dir|url|uri|repo|repo_id|repository|checkpoint|pretrained)$", re.IGNORECASE
)
IMPLEMENTATION = re.compile(r"(attn|experts)_implementation(_internal|_autoset)?$")
IDENTIFIER = re.compile(r"^[\w.+\- ]{0,100}$")
"""No slash, no colon: cannot be a path, an address or a repository."""

MOST = 1 << 24
"""Largest number of layers, heads, widths, positions or tokens; models on the hub stay below 2^21, positions below
2^24."""

UNBOUNDED = re.compile(r"_id$|_ids$|theta|seed|base|timeout|_parameters$|num_parameters|total_size")
LOOPS = re.compile(r"(^|_)(layers?|blocks|experts|n_layer|depth)$|^num_.*(layers|experts)$|^n_layers?$")
"""Counts that modules are built in a loop for."""

MOST_MODULES = 4096


def checked_config(config: dict[str, Any], name: str = "config.json") -> tuple[dict[str, Any], list[str]]:
    """What of a model's configuration is handed on, and the keys that were dropped.

    Args:
        config: content of the file.

    Raises:
        BaseModelError: `model_type` is no causal language model of transformers, or a key is refused.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    kind = config.get("model_type")
    require_no_code(config, name)
    if not isinstance(kind, str) or kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or kind not in CONFIG_MAPPING:
        refused(
            name,
            f"model_type {str(kind)[:40]!r} is no causal language model of transformers itself",
            "Choose a model that transformers supports by itself",
        )
    dropped: list[str] = []
    return _allowed(config, CONFIG_MAPPING[kind], name, "", dropped), dropped


def _allowed(config: dict[str, Any], cls: Any, file: str, place: str, dropped: list[str]) -> dict[str, Any]:
    known = _fields(cls)
    nested = getattr(cls, "sub_configs", {})
    kept: dict[str, Any] = {}
    for key, value in config.items():
        if OF_THE_SAVER.match(key) or IMPLEMENTATION.search(key):
            continue
        if key in nested and isinstance(value, dict):
            kept[key] = _allowed(value, nested[key], file, f"{place}{key}.", dropped)
        elif key in known or key in GENERIC or value is None or isinstance(value, (bool, int, float)):
            kept[key] = value
        else:
            dropped.append(f"{place}{key}")
    return kept


def _fields(cls: Any) -> set[str]:
    fields = {field.name for field in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
    aliases = getattr(cls, "attribute_map", {})
    return fields | set(aliases) | set(aliases.values())


def require_no_code(value: Any, file: str, place: str = "", key: str = "") -> None:
    """Raises BaseModelError if a key or value anywhere names code, a kernel, a file, an address or another repository,
    or is too large."""
    if isinstance(value, dict):
        for inner_key, inner in value.items():
            _require_plain_key(inner_key, inner, file, f"{place}{inner_key}")
            if not (OF_THE_SAVER.match(inner_key) or inner_key in FREE_TEXT):
                require_no_code(inner, file, f"{place}{inner_key}.", inner_key)
    elif isinstance(value, list):
        for inner in value:
            require_no_code(inner, file, place, key)
    elif isinstance(value, str) and not IDENTIFIER.match(value):
        refused(
            file,
            f"{place.rstrip('.')} holds a text that could be a file, an address or a repository; identifiers are"
            " expected",
        )
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        _require_bounded(key, value, file, place.rstrip("."))


def _require_plain_key(key: str, value: Any, file: str, place: str) -> None:
    if value in (None, False, "", [], {}) or OF_THE_SAVER.match(key):
        return
    if IMPLEMENTATION.search(key):
        if not isinstance(value, (str, dict, bool)) or "/" in str(value) or "|" in str(value):
            refused(
                file,
                f"it names code to run: {place} is a kernel of another repository",
                "Remove the key; kernels are never downloaded",
            )
    elif NAMES_CODE.search(key) and not isinstance(value, (bool, int, float)):  # `linear_conv_kernel_dim: 4` names none
        refused(
            file,
            f"it names code to run: {place}",
            "Use a model that transformers supports by itself and that is not quantized; remote code is never run",
        )
    elif NAMES_A_PLACE.search(key):
        refused(file, f"{place} names a file, an address or another repository", "Remove the key")


def _require_bounded(key: str, value: float, file: str, place: str) -> None:
    most = MOST_MODULES if LOOPS.search(key) else MOST
    if not UNBOUNDED.search(key) and isinstance(value, int) and abs(value) > most:
        refused(file, f"{place} is {value:,}, more than {most:,}")
    if value != value or abs(value) > 1e12:
        refused(file, f"{place} is {value:g}, which no model has")
