"""Writes tiny random presets with the real KerasHub: `python -I write_keras_presets.py FOLDER`. Runs where TensorFlow
is, without the platform."""

import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"KERAS_BACKEND": "tensorflow", "HF_HUB_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}

import keras_hub  # pyright: ignore[reportMissingImports]
import numpy as np
from tokenizers.pre_tokenizers import ByteLevel

CONTROL = {
    "GPT2": ["<|endoftext|>"],
    "Llama3": ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "Qwen": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
}
MERGES = {family: ["Ġ t", "h e", "Ġt he", "i n", "1 2"] for family in ("GPT2", "Llama3")}
MERGES["Qwen"] = ["Ġ t", "h e", "Ġt he", "i n"]
"""Qwen writes numbers digit by digit."""
SIZES = {"num_layers": 2, "hidden_dim": 32, "intermediate_dim": 64}
HEADS = {"num_query_heads": 4, "num_key_value_heads": 2, "layer_norm_epsilon": 1e-3}
STRETCHED = {
    "rope_frequency_adjustment_factor": 8.0,
    "rope_low_freq_factor": 1.0,
    "rope_high_freq_factor": 4.0,
    "rope_pretraining_sequence_length": 64,
}
PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", {**SIZES, "num_heads": 4, "max_sequence_length": 96}),
    "llama3": ("Llama3", {**SIZES, **HEADS, **STRETCHED, "rope_max_wavelength": 500000.0}),
    "qwen": ("Qwen", {**SIZES, **HEADS, "tie_word_embeddings": False}),
    "qwen_tied": ("Qwen", {**SIZES, **HEADS, "tie_word_embeddings": True}),
}


def by_bytes(family: str) -> tuple[Any, int]:
    words = [*sorted(ByteLevel.alphabet()), *("".join(merge.split()) for merge in MERGES[family]), *CONTROL[family]]
    kind = getattr(keras_hub.models, f"{family}Tokenizer")
    vocabulary = {word: number for number, word in enumerate(words)}
    return kind(vocabulary, MERGES[family], unsplittable_tokens=CONTROL[family]), len(words)


def main(folder: Path) -> None:
    """Writes all of them, and `sharded`, one of them in several files."""
    random = np.random.default_rng(0)
    for name, (family, settings) in PRESETS.items():
        tokenizer, words = by_bytes(family)
        backbone = getattr(keras_hub.models, f"{family}Backbone")(
            vocabulary_size=words, **settings, dtype="bfloat16" if name == "qwen_tied" else "float32"
        )
        for weight in backbone.weights:
            weight.assign(weight.numpy() + random.normal(0, 0.12, weight.shape))
        preprocessor = getattr(keras_hub.models, f"{family}CausalLMPreprocessor")(tokenizer)
        model = getattr(keras_hub.models, f"{family}CausalLM")(backbone=backbone, preprocessor=preprocessor)
        model.save_to_preset(str(folder / name))
        if name == "qwen":
            model.save_to_preset(str(folder / "sharded"), max_shard_size=5e-5)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
