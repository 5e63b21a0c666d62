import numpy as np
import pytest

from ft_platform.evaluation.systems.generation import _generate_batch, answer_losses, generate
from ft_platform_tests.tiny_models import tiny_model, tiny_tokenizer

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


def stopping_model():
    """A model whose end of turn is likely, so that some answers end early."""
    import torch

    model = tiny_model(tie_word_embeddings=False)
    with torch.no_grad():
        model.lm_head.weight[END] = model.lm_head.weight[40:46].sum(dim=0)
    return model


def test_batched_answers_equal_answers_one_by_one() -> None:
    model = stopping_model()
    expected = [greedy(model, prompt, 12) for prompt in PROMPTS]
    assert any(len(e) < 12 for e in expected) and any(len(e) == 12 for e in expected), (
        "the case needs answers that end and answers that are cut"
    )
    assert _generate_batch(model, PROMPTS, [END], 12) == expected


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


def test_answer_losses_of_models_that_cannot_pack_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    answers = [[50, 51, END], [52, END], [53, 54, END], [END]]
    packed, _ = answer_losses(model, PROMPTS, answers)
    monkeypatch.setattr("ft_platform.models.kernels.packed_forward.packing_problem", lambda model: "pretended")
    padded, _ = answer_losses(model, PROMPTS, answers)
    assert np.allclose(packed, padded, atol=1e-4)
