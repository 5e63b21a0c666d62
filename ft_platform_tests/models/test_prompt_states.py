"""The last hidden state of a prompt is what transformers gives its output layer."""

import numpy as np
import pytest
import torch

from ft_platform.models.label_head import add_label_head
from ft_platform.models.prompt_states import middle_states, pooled_states, prompt_states
from ft_platform_tests.tiny_models import tiny_model

PROMPTS = [[257, 10, 20, 30, 40], [257, 11, 12], [257, 10, 20, 31, 41, 51, 61]]


@pytest.mark.parametrize("head", [False, True], ids=["tokens", "label head"])
def test_states_are_those_before_the_output_layer_and_the_layer_is_put_back(head: bool) -> None:
    model = tiny_model()
    expected = []
    with torch.no_grad():
        for prompt in PROMPTS:
            expected.append(
                model(input_ids=torch.tensor([prompt]), output_hidden_states=True).hidden_states[-1][0, -1].numpy()
            )
    if head:
        add_label_head(model, 3)
    done: list[int] = []
    found = prompt_states(model, PROMPTS, done.append)
    assert found.shape == (3, 48) and found.dtype == np.float32 and done[-1] == 3
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-3, atol=1e-4)
    assert "forward" not in vars(model.get_output_embeddings())


def test_pooled_states_are_the_mean_and_the_last_one_after_the_prefix() -> None:
    model = tiny_model()
    with torch.no_grad():
        expected = [
            model(input_ids=torch.tensor([prompt]), output_hidden_states=True).hidden_states[-1][0, 1:].numpy()
            for prompt in PROMPTS
        ]
    done: list[int] = []
    found = pooled_states(model, PROMPTS, [257], done.append)
    assert done[-1] == 3 and all(one.dtype == np.float32 for one in found.values())
    np.testing.assert_allclose(found["mean"], [one.mean(axis=0) for one in expected], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found["last"], [one[-1] for one in expected], rtol=1e-3, atol=1e-4)


def test_middle_states_are_those_after_half_of_the_layers_and_cost_no_more() -> None:
    model = tiny_model()
    layers = model.config.num_hidden_layers
    calls: list[int] = []
    for number, layer in enumerate(model.model.layers):
        layer.register_forward_hook(lambda *given, number=number: calls.append(number))
    with torch.no_grad():
        states = [
            model(input_ids=torch.tensor([prompt]), output_hidden_states=True).hidden_states[layers // 2]
            for prompt in PROMPTS
        ]
        expected = [model.model.norm(one)[0, 1:].mean(dim=0).numpy() for one in states]
    calls.clear()
    np.testing.assert_allclose(middle_states(model, PROMPTS, [257]), expected, rtol=1e-3, atol=1e-4)
    assert set(calls) == set(range(layers // 2)) and model.config.num_hidden_layers == layers
