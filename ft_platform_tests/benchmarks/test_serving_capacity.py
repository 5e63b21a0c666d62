"""The arithmetic of memory in `benchmarks/serving_capacity.py` against models of transformers and adapters of peft,
without weights."""

import pytest

from benchmarks.serving_capacity import RANK, SHAPES, VOCABULARY, computed, config_of

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("size", SHAPES)
def test_the_arithmetic_counts_what_the_model_has(size: str) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = config_of(size)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        weights = sum(one.numel() for one in model.parameters())
        adapted = get_peft_model(model, LoraConfig(r=RANK, target_modules="all-linear", task_type="CAUSAL_LM"))
        added = sum(one.numel() for name, one in adapted.named_parameters() if "lora_" in name)
    found = computed(size)
    twice = VOCABULARY * config.hidden_size  # the packed output layer beside the embeddings
    assert found["base_model"] == pytest.approx(2 * (weights + twice) / 1e6, rel=0.001)
    assert found["adapter"] == pytest.approx(4 * added / 1e6, abs=0.05)
    values = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    assert found["thousand_tokens"] == pytest.approx(1000 * 2 * values / 1e6, abs=0.05)
