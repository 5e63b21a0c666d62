"""Replaced norms and gated MLPs give the output and the gradients of those they replace, and others are left alone."""

import pytest
import torch

from ft_platform.models.kernels import fused_layers
from ft_platform.models.kernels.fused_layers import replace_layers
from ft_platform_tests.tiny_models import tiny_model

IDS = torch.arange(36).view(2, 18)
ARCHITECTURES = {
    # norms and MLPs of two layers, and the last norm
    "llama": {"norms": 5, "mlps": 2},
    "mistral": {"norms": 5, "mlps": 2},
    "qwen2": {"norms": 5, "mlps": 2},
    "qwen3": {"norms": 9, "mlps": 2},
    "gemma2": {"norms": 9, "mlps": 2},
    "gemma3_text": {"norms": 13, "mlps": 2},
    "phi3": {"norms": 5, "mlps": 0},  # gate and up are one matrix
    "gpt2": {"norms": 0, "mlps": 0},
}


def model_of(architecture: str):
    model = tiny_model(architecture, **({"n_embd": 48, "n_layer": 2, "n_head": 6} if architecture == "gpt2" else {}))
    generator = torch.Generator().manual_seed(5)
    for name, parameter in model.named_parameters():
        if "norm" in name:  # weights of one would hide a mistake
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


def logits_and_gradients(model) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    logits = model(input_ids=IDS).logits.float()
    logits.log_softmax(-1)[..., 3].sum().backward()
    return logits.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_replaced_layers_equal_the_original_ones_in_logits_and_gradients(architecture):
    model = model_of(architecture)
    expected, gradients = logits_and_gradients(model)
    assert replace_layers(model) == ARCHITECTURES[architecture]
    found, new_gradients = logits_and_gradients(model)
    assert (found - expected).abs().max() < 1e-4
    assert new_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(new_gradients[name], gradient, atol=1e-5, rtol=2e-3), name


def test_bfloat16_models_are_replaced_too():
    model = model_of("llama").to(torch.bfloat16)
    expected, _ = logits_and_gradients(model)
    assert replace_layers(model) == ARCHITECTURES["llama"]
    found, _ = logits_and_gradients(model)
    assert float((found - expected).norm() / expected.norm()) < 0.01


@pytest.mark.parametrize("fault", ["norm", "mlp"])
def test_a_layer_that_computes_something_else_is_left_alone(fault):
    model = model_of("llama")
    layer = model.model.layers[0]
    target = layer.input_layernorm if fault == "norm" else layer.mlp
    original = type(target).forward
    target.__class__ = type(
        type(target).__name__, (type(target),), {"forward": lambda self, x: original(self, x) * 1.01}
    )
    expected, _ = logits_and_gradients(model)
    assert replace_layers(model) == {"norms": 5 - (fault == "norm"), "mlps": 2 - (fault == "mlp")}
    found, _ = logits_and_gradients(model)
    assert (found - expected).abs().max() < 1e-4


def test_nothing_is_replaced_twice():
    model = model_of("llama")
    replace_layers(model)
    assert replace_layers(model) == {"norms": 0, "mlps": 0}


def test_less_is_kept_for_the_backward_pass():
    kept = []
    for replaced in (False, True):
        model = model_of("llama").to(torch.bfloat16).requires_grad_(False)
        model.get_input_embeddings().requires_grad_(True)
        if replaced:
            replace_layers(model)
        weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
        stored: dict[int, int] = {}

        def pack(x, stored=stored):
            stored[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            logits = model(input_ids=IDS).logits
        kept.append(sum(size for place, size in stored.items() if place not in weights))
        del logits
    assert kept[1] < 0.8 * kept[0]


def test_a_wrong_backward_pass_would_be_noticed(monkeypatch):
    model = model_of("llama")
    _, gradients = logits_and_gradients(model)
    replace_layers(model)
    right = fused_layers.norm_backward
    monkeypatch.setattr(fused_layers, "norm_backward", lambda *arguments: right(*arguments) * 1.01)
    _, found = logits_and_gradients(model)
    assert not all(torch.allclose(found[name], gradient, atol=1e-5, rtol=2e-3) for name, gradient in gradients.items())
