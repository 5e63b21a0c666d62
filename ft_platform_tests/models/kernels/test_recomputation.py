"""Layers that are computed again in the backward pass: the same losses and gradients, bit for bit, from less memory."""

import pytest
import torch
from torch.utils.checkpoint import CheckpointError

from ft_platform.models.kernels import recomputation
from ft_platform.models.kernels.flat_forward import flat_forward
from ft_platform.models.kernels.packed_attention import Segment
from ft_platform.models.kernels.packed_forward import packed_forward, padded_forward
from ft_platform.models.kernels.recomputation import keeping_everything, layers_of, recompute_layers, recomputes
from ft_platform.training.batches import Row
from ft_platform.training.lora import trainable, with_trainable_weights
from ft_platform.training.objectives import AnswerLoss
from ft_platform.training.precision import in_bfloat16
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.tiny_models import tiny_model

PREFIX = [257, 3, 4]
ROWS = [Row([(7 * place + 5 * row) % 250 for place in range(9 + 3 * row)], [5, 9, 17], [4, 5, 7]) for row in range(4)]


def step(forward, recomputed: bool, training: Training, architecture: str = "llama", **model_settings):
    """Loss, gradients, bytes kept for the backward pass, and the state of the random numbers afterwards."""
    model = with_trainable_weights(tiny_model(architecture, num_hidden_layers=6, **model_settings), training)
    with torch.no_grad():
        for name, parameter in trainable(model).items():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    if recomputed:
        recompute_layers(model)
    assert recomputes(model) == recomputed
    kept = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    known = {p.untyped_storage().data_ptr() for p in model.parameters()}
    torch.manual_seed(5)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = AnswerLoss(forward, PREFIX).loss(model, ROWS)
    loss.backward()
    gradients = {name: p.grad for name, p in trainable(model).items()}
    return (
        loss.detach(),
        gradients,
        sum(size for place, size in kept.items() if place not in known),
        torch.get_rng_state(),
    )


FORWARDS = {
    "packed": packed_forward,
    "padded": padded_forward,
    "flat": flat_forward,
    "bfloat16": in_bfloat16(packed_forward),
}
TRAININGS = {
    "lora": Training(rank=4, alpha=8),
    "dropout": Training(rank=4, alpha=8, dropout=0.3),
    "dora": Training(rank=4, alpha=8, dora=True),
    "full": Training(method="full"),
}


@pytest.mark.parametrize(
    ("way", "method"),
    [*((way, method) for way in ("packed", "padded", "flat") for method in TRAININGS), ("bfloat16", "full")],
)
def test_losses_and_gradients_are_the_same_bit_for_bit_and_less_is_kept(way, method):
    forward, training = FORWARDS[way], TRAININGS[method]
    settings = {"attention_dropout": 0.2} if training.dropout else {}
    plain, again = (step(forward, recomputed, training, **settings) for recomputed in (False, True))
    assert torch.equal(plain[0], again[0])
    assert plain[1].keys() == again[1].keys() and all(
        torch.equal(value, again[1][name]) for name, value in plain[1].items()
    )
    assert any(bool(value.abs().max() > 0) for value in plain[1].values())
    assert again[2] < plain[2] / 3, "six layers keep an input each"
    assert torch.equal(plain[3], again[3]), "random numbers go on as if nothing had been computed again"


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("gemma2", {"sliding_window": 6}),
        ("gemma3_text", {"sliding_window": 6}),
        ("qwen3", {}),
        ("gpt2", {"n_layer": 4, "n_head": 4, "n_embd": 32}),
    ],
)
def test_other_architectures_are_computed_again_in_the_same_way(architecture, settings):
    target = {"target_modules": ["c_attn"]} if architecture == "gpt2" else {}
    plain, again = (
        step(packed_forward, recomputed, Training(rank=4, alpha=8, **target), architecture, **settings)
        for recomputed in (False, True)
    )
    assert torch.equal(plain[0], again[0]) and all(
        torch.equal(value, again[1][name]) for name, value in plain[1].items()
    )
    assert again[2] < plain[2]


def test_without_the_exchanged_attention_the_recomputation_would_differ(monkeypatch):
    """The check above can fail. torch notices that another function than the first time keeps other tensors."""
    monkeypatch.setattr(recomputation, "_exchanged", lambda model: [])
    with pytest.raises(CheckpointError):
        step(packed_forward, True, TRAININGS["lora"])


def test_after_the_backward_pass_attention_is_that_of_the_model_again():
    model = tiny_model()
    recompute_layers(model)
    model.train()
    packed_forward(model, [Segment([1, 2, 3])], [], [(0, 2)]).sum().backward()
    assert model.config._attn_implementation == "eager"


def test_evaluation_computes_nothing_again_and_counting_can_switch_it_off():
    model = tiny_model()
    recompute_layers(model)
    assert len(layers_of(model)) == 2 and recomputes(model)
    with keeping_everything(model):
        assert not recomputes(model)
    assert recomputes(model)
    entered = []
    for layer in layers_of(model):
        layer._gradient_checkpointing_func = lambda *arguments: entered.append(arguments)
    with torch.no_grad():
        packed_forward(model.eval(), [Segment([1, 2, 3])], [], [(0, 2)])
    assert not entered


def test_an_architecture_that_cannot_is_an_error():
    model = tiny_model()
    type(model).supports_gradient_checkpointing, before = False, type(model).supports_gradient_checkpointing
    try:
        with pytest.raises(ValueError, match="does not support"):
            recompute_layers(model)
    finally:
        type(model).supports_gradient_checkpointing = before
