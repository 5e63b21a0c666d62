"""Which base models KerasHub converts whole, and the configuration as it reads it."""

from typing import Any

TASKS = {"llama": "Llama3CausalLM", "qwen2": "QwenCausalLM", "qwen3": "Qwen3CausalLM"}
"""`model_type` -> the class of KerasHub. Mistral is not among them: its converter rounds weights to float16 (0.32)."""
POSITIONS = {"llama": ("default", "llama3")}
"""`model_type` -> types of rotary positions that the converter knows."""


def problem(config: dict[str, Any]) -> str | None:
    """Why KerasHub would make another model of a transformers `config.json`, in words; None where it does not.

    Its converters pass over fields that they do not know, so what they do not know is refused here.
    """
    kind = str(config.get("model_type"))
    if kind not in TASKS:
        return f"base models of type {kind} are not written for TensorFlow, only {', '.join(TASKS)}"
    rope = str(_rope(config)["rope_type"])
    if rope not in POSITIONS.get(kind, ("default",)):
        return f"KerasHub does not know rope type {rope} of {kind}"
    heads = config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    other = [
        f"{name} {config[name]}"
        for name, known in (("attention_bias", False), ("mlp_bias", False), ("use_sliding_window", False))
        if config.get(name, known) != known
    ]
    other += [f"hidden_act {config['hidden_act']}"] if config.get("hidden_act", "silu") != "silu" else []
    other += [f"head_dim {width}"] if kind != "qwen3" and width * heads != config["hidden_size"] else []
    return f"KerasHub does not know {other[0]} of {kind}" if other else None


def readable(config: dict[str, Any], *, label_head: bool) -> dict[str, Any]:
    """The configuration with the names that KerasHub reads: it passes over rope types in `rope_parameters`.

    Args:
        label_head: `lm_head` holds labels, which KerasHub shall not take for tokens.
    """
    rope = _rope(config)
    made = {**config, "rope_theta": rope["rope_theta"], "rope_parameters": {"rope_theta": rope["rope_theta"]}}
    made["rope_scaling"] = rope if rope["rope_type"] != "default" else None
    return made | ({"tie_word_embeddings": True} if label_head else {})


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    """Settings of the rotary positions, as transformers 5 or earlier wrote them."""
    found = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = found.get("rope_type") or found.get("type") or "default"
    return {**found, "rope_type": kind, "rope_theta": found.get("rope_theta") or config.get("rope_theta", 10000.0)}
