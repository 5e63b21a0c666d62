"""Labels are scored as evaluation scores them, beside answers of others."""

import queue
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from ft_platform.errors import BaseModelError
from ft_platform.evaluation.systems.label_scoring import label_scores
from ft_platform.models.label_head import LabelHead, head_scores, save_head, with_label_head
from ft_platform.serving.engine.requests import Adapter, Scores
from ft_platform.serving.engine.worker import Engine
from ft_platform_tests.serving.engines import END, LORA, TEXT, Asked, adapted_model, greedy, running, save_adapter
from ft_platform_tests.tiny_models import tiny_model

LABELS = ("card lost", "card", "loan", "x")
PROMPTS = [TEXT.content(f"Name the matter. {'Please! ' * n}Where is my {thing}?") for n, thing in enumerate("abc")]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(tmp_path_factory.mktemp("plain"), **LORA["plain"])


@pytest.fixture(scope="module")
def headed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter with a label head."""
    folder = save_adapter(tmp_path_factory.mktemp("headed"), 5, **LORA["plain"])
    torch.manual_seed(1)
    save_head(LabelHead(48, len(LABELS), bias=False), folder)
    return folder


def scored(engine: Engine, model: str, prompts: Sequence[Sequence[int]]) -> Scores:
    done: queue.Queue[Scores | Exception] = queue.Queue()
    engine.scores(model, prompts, done.put)
    found = done.get(timeout=60)
    assert isinstance(found, Scores)
    assert done.empty()
    return found


def test_labels_that_are_written_out(plain: Path) -> None:
    ids = [[*TEXT.content(label), END] for label in LABELS]
    expected = label_scores(adapted_model(plain), PROMPTS, ids)
    with running(Adapter("plain", plain, LABELS)) as engine:
        other = Asked(engine, "base", PROMPTS[0], 40)
        for _ in range(2):  # the second time most of each prompt is there
            found = scored(engine, "plain", PROMPTS)
            torch.testing.assert_close(torch.tensor(found.log_probabilities), expected, atol=1e-4, rtol=1e-4)
        assert found.labels == LABELS
        assert found.cached_tokens == found.prompt_tokens - len(PROMPTS)
        assert other.tokens == greedy(tiny_model(), PROMPTS[0], 40)
        assert Asked(engine, "plain", PROMPTS[1], 20).tokens == greedy(adapted_model(plain), PROMPTS[1], 20)


@pytest.mark.parametrize("settings", [{}, {"tie_word_embeddings": True}])
def test_labels_of_a_head(headed: Path, plain: Path, settings: dict[str, bool]) -> None:
    from peft import PeftModel

    model = PeftModel.from_pretrained(with_label_head(tiny_model(**settings), headed), headed).eval()
    expected = head_scores(model, PROMPTS)
    loaded = Adapter("headed", headed, LABELS), Adapter("plain", plain, LABELS)
    with running(*loaded, model=tiny_model(**settings)) as engine:
        other = Asked(engine, "base", PROMPTS[0], 40)
        found = torch.tensor(scored(engine, "headed", PROMPTS).log_probabilities)
        assert other.tokens == greedy(tiny_model(**settings), PROMPTS[0], 40)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.exp().sum(1), torch.ones(3))


def test_logits_that_the_model_scales_are_scaled_for_labels_too(headed: Path) -> None:
    from peft import PeftModel

    scaled = {"architecture": "granite", "logits_scaling": 3.0}
    model = PeftModel.from_pretrained(with_label_head(tiny_model(**scaled), headed), headed).eval()
    with running(Adapter("headed", headed, LABELS), model=tiny_model(**scaled)) as engine:
        found = torch.tensor(scored(engine, "headed", PROMPTS).log_probabilities)
    torch.testing.assert_close(found, head_scores(model, PROMPTS), atol=1e-4, rtol=1e-4)


def test_a_head_needs_its_labels_and_writes_nothing(headed: Path) -> None:
    with running() as engine:
        with pytest.raises(BaseModelError, match="a head for 4 labels, got 0 labels"):
            engine.load(Adapter("headed", headed))
        engine.load(Adapter("headed", headed, LABELS))
        with pytest.raises(Exception, match="scores labels and writes nothing"):
            Asked(engine, "headed", PROMPTS[0], 1)


def test_scores_that_fail_are_told_once(plain: Path) -> None:
    done: queue.Queue[Scores | Exception] = queue.Queue()
    with running(Adapter("plain", plain, LABELS)) as engine:
        engine.scores("plain", [PROMPTS[0], []], done.put)
        assert "a prompt has no tokens" in str(done.get(timeout=60))
        assert len(scored(engine, "plain", PROMPTS).log_probabilities) == 3
        assert done.empty()
