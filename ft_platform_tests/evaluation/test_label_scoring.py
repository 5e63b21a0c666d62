import pytest

from ft_platform.evaluation.systems.label_scoring import choice_scores, label_scores, separate_scores
from ft_platform.models.kernels.packed_forward import shared_start
from ft_platform_tests.tiny_models import tiny_model

PREFIX = [257, 10, 11, 12]
PROMPTS = [[*PREFIX, *range(20, 20 + length), 256] for length in (9, 1, 30, 14, 14)]
LABELS = [[40, 41, 42, 258], [40, 43, 258], [44, 258], [45, 46, 47, 48, 49, 258]]


def naive(model, prompt: list[int], label: list[int]) -> float:
    """Sum of log-probabilities from one plain forward pass of prompt and label."""
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *label]])).logits[0].double().log_softmax(-1)
    return sum(float(logits[len(prompt) - 1 + i, token]) for i, token in enumerate(label))


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_scores_equal_plain_forward_passes(architecture: str) -> None:
    model = tiny_model(architecture)
    scores = label_scores(model, PROMPTS, LABELS)
    for row, prompt in enumerate(PROMPTS):
        for column, label in enumerate(LABELS):
            assert float(scores[row, column]) == pytest.approx(naive(model, prompt, label), abs=1e-4)


def test_models_that_cannot_pack_get_the_same_scores_from_padded_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    packed = label_scores(model, PROMPTS, LABELS)
    monkeypatch.setattr("ft_platform.models.kernels.packed_forward.packing_problem", lambda model: "pretended")
    monkeypatch.setattr(
        "ft_platform.models.kernels.packed_forward.packed_forward",
        lambda *_: pytest.fail("packed in spite of the problem"),
    )
    assert label_scores(model, PROMPTS, LABELS).numpy() == pytest.approx(packed.numpy(), abs=1e-4)


def test_scores_do_not_depend_on_order_or_on_the_other_prompts() -> None:
    model = tiny_model()
    scores = label_scores(model, PROMPTS, LABELS).numpy()
    assert label_scores(model, PROMPTS[::-1], LABELS).numpy()[::-1] == pytest.approx(scores, abs=1e-4)
    assert label_scores(model, PROMPTS[2:3], LABELS).numpy()[0] == pytest.approx(scores[2], abs=1e-4)


def test_every_prompt_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ft_platform.models.kernels.packed_forward.PASS_TOKENS", 60)
    done: list[int] = []
    label_scores(tiny_model(), PROMPTS, LABELS, done.append)
    assert len(done) > 1 and done == sorted(done) and done[-1] == len(PROMPTS)


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        ([[1, 2, 3], [1, 2, 4]], [1, 2]),
        ([[1, 2, 3], [1, 2, 3]], [1, 2]),  # one token of each is left over
        ([[1, 2, 3], [1, 2]], [1]),
        ([[1, 2, 3], [4]], []),
        ([[5, 6]], [5]),
    ],
)
def test_the_shared_start_leaves_at_least_one_token_of_each_prompt(
    prompts: list[list[int]], expected: list[int]
) -> None:
    assert shared_start(prompts) == expected


def test_separate_scores_take_a_prefix() -> None:
    model = tiny_model()
    whole = separate_scores(model, PROMPTS, [LABELS] * 5, [])
    split = separate_scores(model, [p[4:] for p in PROMPTS], [LABELS] * 5, PREFIX)
    assert [one.numpy() for one in split] == [pytest.approx(one.numpy(), abs=1e-4) for one in whole]


@pytest.mark.parametrize("packs", [True, False])
def test_each_prompt_may_have_choices_of_its_own(packs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not packs:
        monkeypatch.setattr("ft_platform.models.kernels.packed_forward.packing_problem", lambda model: "pretended")
    model = tiny_model()
    choices = [LABELS[:1], LABELS, LABELS[2:], [[40], [41]], LABELS[1:3]]
    for prompt, own, found in zip(PROMPTS, choices, choice_scores(model, PROMPTS, choices), strict=True):
        assert found.tolist() == pytest.approx([naive(model, prompt, one) for one in own], abs=1e-4)
