"""The fused LoRA layer computes what peft computes, and rounds once."""

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model

from ft_platform.models.kernels.fused_lora import fuse, layers_in_words
from ft_platform.training.lora import with_trainable_weights
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.tiny_models import tiny_model

IDS = torch.arange(24).view(2, 12)


def adapted(dropout: float = 0.0, dtype: torch.dtype = torch.float32, **settings):
    torch.manual_seed(1)
    model = get_peft_model(
        tiny_model(**settings).to(dtype),
        LoraConfig(r=4, lora_alpha=12, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    return model.train()


def logits_and_gradients(model) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    logits = model(input_ids=IDS).logits.float()
    logits[..., :7].log_softmax(-1)[..., 3].sum().backward()
    return logits.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("bias", [False, True])
def test_fused_layers_equal_pefts_own_in_output_and_gradients(bias):
    model = adapted(attention_bias=bias)
    expected, gradients = logits_and_gradients(model)
    assert fuse(model) == 14
    found, fused_gradients = logits_and_gradients(model)
    assert (found - expected).abs().max() < 1e-4
    for name, gradient in gradients.items():
        assert torch.allclose(fused_gradients[name], gradient, atol=1e-5, rtol=1e-3), name


def test_one_rounding_keeps_small_updates_that_two_roundings_lose():
    layer = torch.nn.Linear(64, 64, bias=False)
    torch.manual_seed(0)
    torch.nn.init.normal_(layer.weight)
    errors = {}
    for fused in (False, True):
        model = get_peft_model(
            torch.nn.Sequential(copy.deepcopy(layer).to(torch.bfloat16)),
            LoraConfig(r=4, lora_alpha=4, target_modules=["0"]),
        )
        lora = model.base_model.model[0]
        with torch.no_grad():
            lora.lora_B["default"].weight.normal_(std=0.01)
        if fused:
            assert fuse(model) == 1
        x = torch.randn(512, 64, generator=torch.Generator().manual_seed(2)).to(torch.bfloat16)
        exact = (
            x.double()
            @ (
                lora.base_layer.weight.double()
                + lora.lora_B["default"].weight.double() @ lora.lora_A["default"].weight.double()
            ).T
        )
        with torch.no_grad():
            errors[fused] = float((lora(x).double() - exact).pow(2).mean())
    assert errors[True] < 0.8 * errors[False]


def test_a_disabled_adapter_gives_the_base_model():
    model = adapted().eval()
    fuse(model)
    with torch.no_grad(), model.disable_adapter():
        found = model(input_ids=IDS).logits
    with torch.no_grad():
        expected = tiny_model()(input_ids=IDS).logits
        assert (model(input_ids=IDS).logits - expected).abs().max() > 1e-3, "the adapter itself must make a difference"
    assert (found - expected).abs().max() < 1e-4


def test_layers_with_dropout_keep_pefts_code_and_no_layer_is_fused_twice():
    assert fuse(adapted(dropout=0.1)) == 0
    model = adapted()
    assert fuse(model) == 14 and fuse(model) == 0


NORMS = "5 of 5 norms, 2 of 2 MLPs"


@pytest.mark.parametrize(
    ("training", "architecture", "untried", "expected"),
    [
        ({}, "llama", "", f"14 of 14 LoRA layers, {NORMS}"),
        ({"dropout": 0.1}, "llama", "", f"0 of 14 LoRA layers (dropout), {NORMS}"),
        ({"dora": True}, "llama", "", f"0 of 14 LoRA layers (DoRA), {NORMS}"),
        (
            {"target_modules": ["q_proj", "embed_tokens"]},
            "llama",
            "",
            f"2 of 3 LoRA layers (peft's Embedding), {NORMS}",
        ),
        (
            {"method": "full"},
            "llama",
            "all weights are trained",
            "0 of 5 norms (all weights are trained), 0 of 2 MLPs (all weights are trained)",
        ),
        (
            {},
            "gpt_neox",
            "",
            "8 of 8 LoRA layers, 0 of 5 norms (unlike those that are known), 0 of 2 MLPs (unlike those that are known)",
        ),
    ],
)
def test_what_is_fused_is_said_and_why_the_rest_is_not(training, architecture, untried, expected):
    model = with_trainable_weights(tiny_model(architecture), Training(rank=4, **training))
    assert layers_in_words(model, untried) == expected


def test_norms_of_another_package_are_told_as_such():
    model = adapted()
    for layer in model.modules():
        if type(layer).__name__ == "LlamaRMSNorm":
            layer.forward = layer.forward  # as Liger binds its own
    fuse(model)
    assert layers_in_words(model) == "14 of 14 LoRA layers, 0 of 5 norms (replaced by another package), 2 of 2 MLPs"
