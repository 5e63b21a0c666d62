from pathlib import Path

import numpy as np
import pytest

from ft_platform.evaluation.systems.generation import answer_losses, answer_readings, continuations, generate
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform_tests.tiny_models import save_tiny_model, tiny_model, tiny_tokenizer

END = 258
# The end of turn, which is also the padding token, stands inside these prompts as it does after a system message.
PROMPTS = [[257, 5, END, *range(20, 20 + length), 30] for length in (3, 17, 8, 1)]


def greedy(model, prompt: list[int], steps: int) -> list[int]:
    """Token by token, one prompt at a time, without cache or padding."""
    import torch

    ids = list(prompt)
    for _ in range(steps):
        with torch.no_grad():
            token = int(model(torch.tensor([ids])).logits[0, -1].argmax())
        if token == END:
            break
        ids.append(token)
    return ids[len(prompt) :]


def stopping_model(architecture: str = "llama", **settings):
    """A model whose end of turn is likely, so that some answers end early."""
    import torch

    model = tiny_model(architecture, tie_word_embeddings=False, **settings)
    with torch.no_grad():
        model.lm_head.weight[END] = model.lm_head.weight[40:46].sum(dim=0)
    return model


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("llama", {}),
        ("qwen3", {}),
        ("gpt2", {"n_embd": 48, "n_layer": 2, "n_head": 6}),
        ("mistral", {"sliding_window": 9}),
        ("gemma2", {"sliding_window": 7}),
    ],
)
def test_batched_answers_equal_answers_one_by_one(architecture: str, settings: dict) -> None:
    model = stopping_model(architecture, **settings)
    expected = [greedy(model, prompt, 12) for prompt in PROMPTS]
    assert architecture != "llama" or {len(e) < 12 for e in expected} == {True, False}, (
        "the case needs answers that end and answers that are cut"
    )
    assert continuations(model, PROMPTS, END, 12) == expected
    assert continuations(model, [prompt[1:] for prompt in PROMPTS[:1]], END, 12) == [greedy(model, PROMPTS[0][1:], 12)]


def test_the_start_that_prompts_share_is_computed_once() -> None:
    model, seen = tiny_model(), []
    model.model.embed_tokens.register_forward_hook(lambda module, inputs, output: seen.append(tuple(inputs[0].shape)))
    continuations(model, PROMPTS, END, 1)
    assert seen == [(1, 4), (len(PROMPTS), max(map(len, PROMPTS)) - 4)]


def test_the_output_layer_of_a_frozen_model_is_one_product_for_the_whole_batch(tmp_path: Path) -> None:
    """torch makes one for each row, with a copy of all weights for each, of the last hidden states of a batch as they
    lie."""
    from torch.profiler import profile

    from ft_platform.models import base_model

    folder = save_tiny_model(tmp_path / "model")
    settings = BaseModelSettings(uri=str(folder))
    model, _ = base_model.load(base_model.resolve(settings, tmp_path), "float32")
    model.requires_grad_(False)
    with profile(record_shapes=True) as profiled:
        continuations(model, PROMPTS, END, 2)
    words = model.config.vocab_size
    shapes = {event.key: [] for event in profiled.key_averages(group_by_input_shape=True)}
    for event in profiled.key_averages(group_by_input_shape=True):
        shapes[event.key].append(event.input_shapes)
    of_words = {
        name: [one for one in shapes.get(name, []) if words in one[1] and one[0][0] > 1]
        for name in ("aten::mm", "aten::bmm")
    }
    assert of_words["aten::mm"] and not of_words["aten::bmm"]


def test_answers_come_back_in_the_order_of_the_prompts() -> None:
    model, tokenizer = stopping_model(), tiny_tokenizer()
    done: list[int] = []
    answers = generate(model, tokenizer, PROMPTS, [END], 12, done.append)
    assert answers == [tokenizer.decode(greedy(model, p, 12), skip_special_tokens=True).strip() for p in PROMPTS]
    assert done == [len(PROMPTS)]
    assert all("<|im_end|>" not in a for a in answers)


def test_answer_losses_equal_plain_forward_passes() -> None:
    import torch

    model = tiny_model()
    answers = [[50, 51, END], [52, END], [53, 54, 55, 56, END], [END]]
    losses, tokens = answer_losses(model, PROMPTS, answers)
    assert tokens.tolist() == [3, 2, 5, 1]
    for prompt, answer, loss in zip(PROMPTS, answers, losses, strict=True):
        ids = torch.tensor([[*prompt, *answer]])
        labels = torch.tensor([[-100] * len(prompt) + answer])
        with torch.no_grad():
            assert loss == pytest.approx(float(model(ids, labels=labels).loss) * len(answer), abs=1e-4)


def test_answers_are_read_token_by_token() -> None:
    import torch

    model = tiny_model()
    answers = [[50, 51, END], [52, END], [53, 54, 55, 56, END], [END]]
    losses, _ = answer_losses(model, PROMPTS, answers)
    for prompt, answer, loss, reading in zip(
        PROMPTS, answers, losses, answer_readings(model, PROMPTS, answers), strict=True
    ):
        assert -reading.logprobs.sum() == pytest.approx(loss, abs=1e-4)
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
        best = logits.topk(2, dim=-1)
        assert reading.likeliest.tolist() == best.indices[:, 0].tolist()
        assert reading.leads == pytest.approx((best.values[:, 0] - best.values[:, 1]).numpy(), abs=1e-4)


def test_drawing_among_all_tokens_draws_what_is_not_among_the_likeliest() -> None:
    """Of a random model each of the 264 tokens is about as likely: among 40 there are no 41 different ones."""
    model = tiny_model()
    few, all_of_them = (
        {continuations(model, [[1, 2, 3]], END, 1, seed=seed, top_k=top_k)[0][0] for seed in range(150)}
        for top_k in (3, 0)
    )
    assert len(few) <= 3 and len(all_of_them) > 40


def test_answer_losses_of_models_that_cannot_pack_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    answers = [[50, 51, END], [52, END], [53, 54, END], [END]]
    packed, _ = answer_losses(model, PROMPTS, answers)
    monkeypatch.setattr("ft_platform.models.kernels.packed_forward.packing_problem", lambda model: "pretended")
    padded, _ = answer_losses(model, PROMPTS, answers)
    assert np.allclose(packed, padded, atol=1e-4)
