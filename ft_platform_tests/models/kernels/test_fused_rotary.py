"""The exchanged rotary embedding gives the values and gradients of transformers' own, and is taken back."""

import importlib

import pytest
import torch

from ft_platform.models.kernels import fused_rotary
from ft_platform.models.kernels.fused_rotary import rotary_in
from ft_platform_tests.tiny_models import tiny_model

IDS = torch.arange(36).view(2, 18)
EXCHANGED = {
    "llama": True,
    "mistral": True,
    "qwen2": True,
    "qwen3": True,
    "gemma2": True,
    "gemma3_text": True,
    "cohere": False,
    "gpt_neox": True,  # turns a quarter of each head
}


def logits_and_gradients(model) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    logits = model(input_ids=IDS).logits
    logits.log_softmax(-1)[..., 3].sum().backward()
    return logits.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("architecture", EXCHANGED)
def test_logits_and_gradients_stay_what_they_were(architecture, monkeypatch):
    model = tiny_model(architecture)
    expected, gradients = logits_and_gradients(model)
    calls = []
    rotated = fused_rotary.rotated
    fused_rotary._agrees.clear()
    monkeypatch.setattr(fused_rotary, "rotated", lambda *x, **y: calls.append(1) or rotated(*x, **y))
    with rotary_in(model):
        calls.clear()  # the question whether it is the same is one call
        found, new_gradients = logits_and_gradients(model)
    assert bool(calls) == EXCHANGED[architecture]
    assert (found - expected).abs().max() < 1e-4
    for name, gradient in gradients.items():
        assert torch.allclose(new_gradients[name], gradient, atol=1e-5, rtol=1e-3), name


def test_the_modules_function_is_put_back_after_an_error():
    module = importlib.import_module("transformers.models.llama.modeling_llama")
    before = module.apply_rotary_pos_emb
    inside = []

    def failing():
        with rotary_in(tiny_model("llama")):
            inside.append(module.apply_rotary_pos_emb)
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert inside == [fused_rotary.rotated] and module.apply_rotary_pos_emb is before


def test_a_function_that_turns_otherwise_is_left_alone(monkeypatch):
    module = importlib.import_module("transformers.models.llama.modeling_llama")
    original = module.apply_rotary_pos_emb

    def other(q, k, cos, sin, unsqueeze_dim=1):
        q, k = original(q, k, cos, sin, unsqueeze_dim)
        return q * 1.01, k

    monkeypatch.setattr(module, "apply_rotary_pos_emb", other)
    with rotary_in(tiny_model("llama")):
        assert module.apply_rotary_pos_emb is other
