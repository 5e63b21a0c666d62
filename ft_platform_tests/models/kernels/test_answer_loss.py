"""The loss in chunks equals transformers' own loss with labels, in value and in gradients."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from ft_platform.models.kernels import answer_loss as module
from ft_platform.models.kernels.answer_loss import answer_log_probabilities, answer_loss, plain_head
from ft_platform.models.kernels.own_kernels import PLAIN, go_on_with, kernels, kernels_kept
from ft_platform.models.kernels.packed_attention import Segment
from ft_platform.models.kernels.packed_forward import packed_forward, padded_forward
from ft_platform_tests.tiny_models import tiny_model

PREFIX = [257, 10, 20, 30]
ROWS = [[5, 6, 7, 8, 9, 258], [11, 12, 13, 258], [21, 22, 23, 24, 25, 26, 27, 258]]
PROMPTS = [3, 2, 5]
KEEP = [
    (row, place)
    for row, (ids, prompt) in enumerate(zip(ROWS, PROMPTS, strict=True))
    for place in range(prompt - 1, len(ids) - 1)
]
TARGETS = torch.tensor([ROWS[row][place + 1] for row, place in KEEP])
ARCHITECTURES = {
    "llama": {},
    "mistral": {"sliding_window": 6},
    "qwen2": {"attention_bias": True},
    "gemma2": {"sliding_window": 7, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0},
    "cohere": {"logit_scale": 0.2},
    "phi3": {},
}


def model_of(architecture: str, adapter: bool):
    model = tiny_model(architecture, **ARCHITECTURES[architecture])
    if not adapter:
        return model
    torch.manual_seed(1)
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.05)
    return model


def reference_loss(model) -> torch.Tensor:
    """transformers' loss of each row alone: a mean over its labels, times their number."""
    total = torch.zeros(())
    for ids, prompt in zip(ROWS, PROMPTS, strict=True):
        labels = [-100] * (len(PREFIX) + prompt) + ids[prompt:]
        total = total + model(input_ids=torch.tensor([[*PREFIX, *ids]]), labels=torch.tensor([labels])).loss * (
            len(ids) - prompt
        )
    return total


def gradients(model, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("forward", [packed_forward, padded_forward])
@pytest.mark.parametrize("adapter", [True, False], ids=["adapter", "all_weights"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_loss_and_gradients_equal_those_of_transformers(architecture, adapter, forward, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_LOGITS", 4 * 260)  # several chunks
    model = model_of(architecture, adapter)
    expected = reference_loss(model)
    of_reference = gradients(model, expected)
    found = answer_loss(model, forward, [Segment(ids) for ids in ROWS], PREFIX, KEEP, TARGETS)
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    ours = gradients(model, found)
    assert ours.keys() == of_reference.keys()
    for name, gradient in of_reference.items():
        assert torch.allclose(ours[name], gradient, atol=2e-5, rtol=1e-3), name


@pytest.mark.parametrize(
    ("architecture", "plain"), [("llama", True), ("phi3", True), ("gemma2", False), ("cohere", True)]
)
def test_logits_that_are_more_than_the_output_layer_are_noticed(architecture, plain):
    model = model_of(architecture, adapter=True).train()
    assert (plain_head(model) is not None) == plain
    assert model.training


def test_a_squeezed_output_taken_for_a_plain_one_would_give_another_loss():
    model = model_of("gemma2", adapter=False)
    expected = float(reference_loss(model).detach())
    module._plain[model.get_output_embeddings()] = True
    found = answer_loss(model, packed_forward, [Segment(ids) for ids in ROWS], PREFIX, KEEP, TARGETS)
    assert float(found.detach()) != pytest.approx(expected, rel=1e-5)


def test_the_number_of_chunks_does_not_matter(monkeypatch):
    model = model_of("llama", adapter=True)
    losses = []
    for tokens in (1, 3, 1000):
        monkeypatch.setattr(module, "CHUNK_LOGITS", tokens * 260)
        losses.append(
            float(answer_loss(model, packed_forward, [Segment(ids) for ids in ROWS], PREFIX, KEEP, TARGETS).detach())
        )
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


@pytest.mark.parametrize("plainly", [True, False])
def test_no_more_logits_than_one_chunk_exist_at_a_time(monkeypatch, plainly):
    if not plainly and kernels() == PLAIN:
        pytest.skip("own kernels: no AVX2, or no compiler")
    monkeypatch.setattr(module, "CHUNK_LOGITS", 2 * 260)
    sizes = []
    linear, sum_of_products = torch.nn.functional.linear, module.sum_of_products

    def watched(x, weight, bias=None):
        if len(weight) == 260:
            sizes.append(len(x))
        return linear(x, weight, bias)

    def own(terms, dtype=None):
        if terms[0][1].shape[1] == 260:
            sizes.append(len(terms[0][0]))
        return sum_of_products(terms, dtype)

    model = model_of("llama", adapter=True)
    plain_head(model)
    monkeypatch.setattr(torch.nn.functional, "linear", watched)
    monkeypatch.setattr(module, "sum_of_products", own)
    with kernels_kept():
        go_on_with(PLAIN if plainly else kernels())
        answer_loss(model, packed_forward, [Segment(ids) for ids in ROWS], PREFIX, KEEP, TARGETS)
    assert sizes and max(sizes) == 2 and sum(sizes) == len(KEEP)


def plain_log_probabilities(model) -> torch.Tensor:
    """Of each target by the whole logits of each row alone."""
    found = []
    for ids, prompt in zip(ROWS, PROMPTS, strict=True):
        logs = model(input_ids=torch.tensor([[*PREFIX, *ids]])).logits[0].float().log_softmax(-1)
        found += [logs[len(PREFIX) + place, ids[place + 1]] for place in range(prompt - 1, len(ids) - 1)]
    return torch.stack(found)


@pytest.mark.parametrize("forward", [packed_forward, padded_forward])
@pytest.mark.parametrize("adapter", [True, False], ids=["adapter", "all_weights"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_log_probabilities_and_their_gradients_equal_those_of_whole_logits(architecture, adapter, forward, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_LOGITS", 4 * 260)  # several chunks
    model = model_of(architecture, adapter)
    weights = torch.linspace(-1.0, 2.0, len(KEEP))  # each token counts differently
    expected = plain_log_probabilities(model)
    of_reference = gradients(model, (weights * expected).sum())
    found = answer_log_probabilities(model, forward, [Segment(ids) for ids in ROWS], PREFIX, KEEP, TARGETS)
    assert found.dtype == torch.float32 and torch.allclose(found, expected, atol=1e-5)
    ours = gradients(model, (weights * found).sum())
    assert ours.keys() == of_reference.keys()
    for name, gradient in of_reference.items():
        assert torch.allclose(ours[name], gradient, atol=2e-5, rtol=1e-3), name


def test_log_probabilities_keep_no_logits_and_compute_a_chunk_at_a_time(monkeypatch):
    monkeypatch.setattr(module, "CHUNK_LOGITS", 2 * 260)
    sizes, kept = [], []
    linear = torch.nn.functional.linear

    def watched(x, weight, bias=None):
        if len(weight) == 260:
            sizes.append(len(x))
        return linear(x, weight, bias)

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tuple(tensor.shape))
        return tensor

    model = model_of("llama", adapter=True)
    plain_head(model)
    monkeypatch.setattr(torch.nn.functional, "linear", watched)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        found = answer_log_probabilities(model, packed_forward, [Segment(ids) for ids in ROWS], PREFIX, KEEP, TARGETS)
    assert not any(shape[-1:] == (260,) for shape in kept)
    found.sum().backward()
    assert max(sizes) == 2 and sum(sizes) == 2 * len(KEEP)


def test_the_output_layer_is_put_back_after_an_error():
    model = model_of("llama", adapter=True)
    head = plain_head(model)
    with pytest.raises(IndexError):
        answer_loss(model, packed_forward, [Segment(ids) for ids in ROWS], [9999], KEEP, TARGETS)
    assert head is not None and "forward" not in vars(head)
