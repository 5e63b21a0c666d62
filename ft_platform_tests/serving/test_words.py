"""A released classifier of words answers as it was evaluated, without a base model; another weight is told apart."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from ft_platform.errors import BaseModelError
from ft_platform.lake.releases import STANDS, releases
from ft_platform.models import base_model
from ft_platform.models.guards.own_files import TERM_WEIGHTS
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.serving.engine.requests import Adapter, Generation, Sampling, UnknownModel
from ft_platform.serving.engine.words import WordEngine
from ft_platform.serving.golden import golden_set
from ft_platform.serving.installation import engine_and_catalog
from ft_platform.serving.parity import asker, compare
from ft_platform.serving.rendering import renderer_of
from ft_platform.serving.targets.contract import Endpoint
from ft_platform.serving.trial import served
from ft_platform_tests.serving.fakes import wait_until
from ft_platform_tests.serving.installations import Installation, copied

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("words"), "label_head", method="tfidf_logreg")


@pytest.fixture
def installation(made: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """One on whose machine no base model can be loaded any more."""
    monkeypatch.setattr(base_model, "_with_sdpa", None)
    return copied(made, tmp_path / "home")


def parity(made: Installation) -> dict[str, Any]:
    """Asked as the newest release, compared with what the first one was evaluated with."""
    release = releases(made.lake, "complaints")[-1]
    golden = golden_set(made.lake, made.use_case, release, renderer_of(made.environment, made.lake, release), 12)
    with served(made.environment, ["complaints"]) as url:
        of = (Endpoint(url, "complaints", ours=True), True, 8)
        return compare(asker(*of), golden, True, 100, without_guardrails=asker(*of, guardrails=False))


def test_our_server_answers_as_the_evaluation(installation: Installation) -> None:
    found = parity(installation)
    assert found["ok"] and found["asked"] == 12 and not found["differs"]
    assert found["prompts_equal"] and found["largest_probability_difference"] < 1e-6


def shifted(folder: Path) -> None:
    """One label is likelier than the records made it."""
    tensors = load_file(folder / TERM_WEIGHTS)
    tensors["intercept"][0] += 3
    save_file(tensors, folder / TERM_WEIGHTS)


def scaled(folder: Path) -> None:
    """Labels stay, probabilities do not."""
    tensors = load_file(folder / TERM_WEIGHTS)
    tensors["weights"] *= 2
    save_file(tensors, folder / TERM_WEIGHTS)


@pytest.mark.parametrize(("fault", "differs"), [(shifted, "decisions"), (scaled, "probabilities")])
def test_a_changed_weight_is_told_apart(
    installation: Installation, fault: Callable[[Path], None], differs: str
) -> None:
    installation.releases(installation.another(fault))
    found = parity(installation)
    assert not found["ok"] and differs in found["differs"] and found["causes"]


def test_a_chat_gets_the_label_too(installation: Installation) -> None:
    with installation.serving() as client:
        body = {"model": "complaints", "messages": [{"role": "user", "content": "My swipe was handled badly."}]}
        answer = client.post("/v1/chat/completions", json={**body, "logprobs": True, "top_logprobs": 3}).json()
        (choice,) = answer["choices"]
        assert choice["message"]["content"] == "card"
        assert choice["logprobs"]["content"][0]["top_logprobs"][0]["token"] == "card"
        assert client.post("/v1/classify", json={"model": "complaints", "input": " "}).status_code == 400


def test_the_engine_refuses_what_it_cannot_do(installation: Installation) -> None:
    engine, catalog = engine_and_catalog(installation.environment, [])
    assert isinstance(engine, WordEngine)
    (model,) = catalog.models()
    with pytest.raises(BaseModelError, match="scores 3 labels, got 2"):
        engine.load(Adapter("a", model.folder, model.labels[:2]))
    engine.load(Adapter("a", model.folder, model.labels))
    assert engine.state().models == ("a",) and engine.refusal() is None
    with pytest.raises(UnknownModel, match="writes nothing"):
        engine.generate(Generation("a", (1,), Sampling(1)), print)
    engine.unload("a")
    with pytest.raises(UnknownModel, match="no model 'a' is loaded"):
        engine.scores("a", [(1,)], print)


def test_a_release_is_served_by_what_it_was_released_with_whatever_the_file_says_now(
    installation: Installation,
) -> None:
    from ft_platform_tests.conftest import write_use_case

    changed = {**installation.attributes, "training": {"method": "lora"}}
    write_use_case(installation.environment.defs, "complaints", changed)
    engine, catalog = engine_and_catalog(installation.environment, [])
    assert isinstance(engine, WordEngine) and [one.name for one in catalog.models()] == ["complaints"]
    assert dataclasses.asdict(engine.state())["context_tokens"] > 448 * 32


def test_it_takes_the_place_of_a_fine_tuned_release_in_a_running_server_and_gives_it_back(tmp_path: Path) -> None:
    tuned = Installation(tmp_path, "label_head")
    settings = tuned.use_case.settings
    training = settings.training.model_copy(update={"method": "tfidf_logreg"})
    words = tuned.use_case.model_copy(update={"settings": settings.model_copy(update={"training": training})})
    checkpoint = checkpoint_for(
        tuned.lake, tuned.environment, words, tuned.splits, logging.getLogger("test")
    ).checkpoint
    with tuned.serving() as client:

        def answer(model: str = "complaints") -> dict[str, Any]:
            return client.post("/v1/classify", json={"model": model, "input": "My swipe was handled badly."}).json()

        assert answer()["release"] == tuned.release.id
        before, release = answer(), tuned.releases(checkpoint)
        wait_until(lambda: answer().get("release") == release.id, 20)
        assert answer()["data"][0]["label"] == "card" and answer()["data"] != before["data"]
        wait_until(lambda: answer("complaints@previous").get("data") == before["data"], 20)
        tuned.lake.add_verdict(release, STANDS, False, "s", {"by": "ana", "reason": "a leak"})
        wait_until(lambda: answer().get("release") == tuned.release.id, 20)
        assert answer()["data"] == before["data"]
